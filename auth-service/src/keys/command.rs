//! What a person does to the signing keys: `auth-service keys list`, `rotate` and `revoke`.

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

/// What to do with the signing keys.
#[derive(Clone, Debug)]
pub enum KeyCommand {
    /// Show them.
    List,
    /// Publish the next one, which becomes active after the lead, or now.
    Rotate {
        /// As soon as all instances publish it, without waiting until verifiers had the time to
        /// fetch it.
        now: bool,
    },
    /// Have one refused, whatever it has signed.
    Revoke {
        /// Which one.
        kid: String,
        /// Although the root key opens none of the keys: the one that does is lost.
        lost_root_key: bool,
    },
}

/// Carries out a command. Returns what to tell the person. Running instances notice when they look
/// the next time.
///
/// # Errors
/// What is in the way, and what to do about it.
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
        // Whichever instance a verifier asks knows the key then.
        let lead = if now { 2 * self.refresh_interval } else { self.policy.lead };
        let reason = RotationReason::Command;
        match schedule.find(KeyState::Next) {
            Some(next) if now => {
                let kid = next.sealed.kid.clone();
                self.take(&schedule, Step::Promote { kid, lead, reason }).await
            }
            Some(next) => refused(format!(
                "the next key, {}, is published already and becomes active at {}; `--now` makes \
                 it active now",
                next.sealed.kid,
                time(next.activate_time)
            )),
            None if !schedule.has_room() => refused(
                "as many keys are published as verifiers accept; try again when one has expired",
            ),
            None => match self.insert(&schedule, lead, reason).await? {
                Some(_) => Ok(()),
                None => refused("another instance has just made a key; see `keys list`"),
            },
        }
    }

    /// Whether the key opens does not matter: this is the way out when one in the database does
    /// not. Where none does, the root key is more likely a mistake.
    async fn revoke(&self, kid: &str, lost_root_key: bool) -> Result<(), Error> {
        if !lost_root_key && self.opens_none(&signing_keys::list(&self.db, self.policy).await?) {
            return refused(
                "the root key opens none of the signing keys in the database: set AUTH_ROOT_KEY or \
                 AUTH_ROOT_KEY_FILE to the one they were made with; if it is lost, revoke each \
                 with `--lost-root-key`",
            );
        }
        if !signing_keys::revoke(&self.db, kid).await? {
            return refused("there is no such key, or it is revoked; `keys list` shows all");
        }
        events::record_key_revoked(kid);
        if self.opens_none(&signing_keys::list(&self.db, self.policy).await?) {
            // The others have to be given up, too, before there can be a new one.
            return Ok(());
        }
        // If it was the active one, another takes its place.
        self.maintain().await.map(drop)
    }

    fn opens_none(&self, schedule: &Schedule) -> bool {
        let mut published = schedule.keys().filter(|(_, state)| state.is_published()).peekable();
        let opens =
            |(key, _): (&StoredKey, _)| SigningKey::open(&key.sealed, &self.root_key).is_some();
        published.peek().is_some() && !published.any(opens)
    }
}

fn refused(why: impl Into<String>) -> Result<(), Error> {
    Err(Error::Internal(why.into().into()))
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
