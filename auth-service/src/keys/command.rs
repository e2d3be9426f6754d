//! The operator's commands on signing keys: `auth-service keys list`, `rotate` and `revoke`.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use shared::{db, error::Error};

use super::{SigningKey, SigningKeys, StoredKey};
use crate::{
    config::Config,
    domain::key_schedule::{KeyState, RotationReason, Schedule, Step},
    events,
    store::signing_keys,
};

/// A command on the signing keys.
#[derive(Clone, Debug)]
pub enum KeyCommand {
    /// Lists the keys.
    List,
    /// Publishes the next key, which becomes active after the lead time.
    Rotate {
        /// Activates the key as soon as all instances publish it, even if verifiers have not
        /// fetched it yet.
        now: bool,
    },
    /// Revokes a key: verifiers reject every token that it signed.
    Revoke {
        /// The id of the key.
        kid: String,
        /// Revokes the key even if the root key opens none of the keys, because the right root key
        /// is lost.
        lost_root_key: bool,
    },
}

/// Runs a command. Returns the table of keys to print. Running instances pick up the change when
/// they next read the keys.
///
/// # Errors
/// The message says what prevents the command and what the operator can do.
pub async fn run(config: &Config, command: KeyCommand) -> Result<String, Error> {
    let tolerance = config.token.leeway;
    let (pools, probe) = db::connect(&config.database, "auth-service keys", 1, &[], tolerance);
    probe.check().await.map_err(|reason| Error::Internal(reason.to_string().into()))?;
    let keys = SigningKeys::new(pools.background, config);
    match command {
        KeyCommand::List => {}
        KeyCommand::Rotate { now } => keys.rotate(now).await?,
        KeyCommand::Revoke { kid, lost_root_key } => keys.revoke(&kid, lost_root_key).await?,
    }
    let schedule = signing_keys::list(&keys.db, keys.policy).await?;
    if let Err(error) = keys.open(&schedule) {
        tracing::warn!("{}", error.causes());
    }
    Ok(table(&schedule))
}

impl SigningKeys {
    async fn rotate(&self, now: bool) -> Result<(), Error> {
        let (schedule, _) = self.maintain().await?;
        // After two intervals every instance has read the key and publishes it.
        let lead = if now { 2 * self.refresh_interval } else { self.policy.lead };
        let reason = RotationReason::Command;
        match schedule.find(KeyState::Next) {
            Some(next) if now => {
                let kid = next.sealed.kid.clone();
                self.apply(&schedule, Step::Promote { kid, lead, reason }).await
            }
            Some(next) => reject(format!(
                "the next key, {}, is already published and becomes active at {}; use `--now` to \
                 activate it now",
                next.sealed.kid,
                time(next.activate_time)
            )),
            None if !schedule.has_room() => {
                reject("verifiers accept no more published keys; try again after one has expired")
            }
            None => match self.insert(&schedule, lead, reason).await? {
                Some(_) => Ok(()),
                None => reject("another instance has just created a key; run `keys list`"),
            },
        }
    }

    /// Revokes a key even if the root key does not open it, so that a foreign key in the database
    /// can be removed. If the root key opens none of the keys, it is more likely wrong.
    async fn revoke(&self, kid: &str, lost_root_key: bool) -> Result<(), Error> {
        if !lost_root_key && self.opens_none(&signing_keys::list(&self.db, self.policy).await?) {
            return reject(
                "the root key opens none of the signing keys in the database: set AUTH_ROOT_KEY or \
                 AUTH_ROOT_KEY_FILE to the key that sealed them; if that key is lost, revoke each \
                 signing key with `--lost-root-key`",
            );
        }
        if !signing_keys::revoke(&self.db, kid).await? {
            return reject("the key does not exist or is already revoked; run `keys list`");
        }
        events::log_key_revoked(kid);
        if self.opens_none(&signing_keys::list(&self.db, self.policy).await?) {
            // No key can be created until the operator has revoked the others too.
            return Ok(());
        }
        // If the key was active, this activates or creates its successor.
        self.maintain().await.map(drop)
    }

    fn opens_none(&self, schedule: &Schedule) -> bool {
        let mut published = schedule.keys().filter(|(_, state)| state.is_published()).peekable();
        let opens =
            |(key, _): (&StoredKey, _)| SigningKey::open(&key.sealed, &self.root_key).is_some();
        published.peek().is_some() && !published.any(opens)
    }
}

fn reject(message: impl Into<String>) -> Result<(), Error> {
    Err(Error::Internal(message.into().into()))
}

fn table(schedule: &Schedule) -> String {
    let row = |columns: [&str; 5]| {
        let [kid, state, create, activate, expire] = columns;
        format!("{kid:43}  {state:7}  {create:20}  {activate:20}  {expire}")
    };
    let mut text = row(["KID", "STATE", "CREATED", "ACTIVE FROM", "EXPIRES"]);
    for (key, state) in schedule.keys() {
        let expire = match key.revoke_time {
            Some(revoked) => Some(revoked),
            None => schedule.expire_time(&key.sealed.kid),
        };
        let (kid, state) = (key.sealed.kid.as_str(), name(state));
        let [create, activate] = [key.create_time, key.activate_time].map(time);
        let line = row([kid, state, &create, &activate, &expire.map_or("-".to_owned(), time)]);
        let _ = write!(text, "\n{}", line.trim_end());
    }
    text
}

fn name(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::Active => "active",
        KeyState::Retired => "retired",
        KeyState::Gone => "gone",
        KeyState::Revoked => "revoked",
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
