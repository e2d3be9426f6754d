//! The signing keys of this process: read from the database at an interval, created there when due,
//! and published to verifiers.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use shared::{
    auth::{self, Claims, Jwk, KeySet, Keys},
    error::Error,
    time::jitter,
};
use sqlx::PgPool;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    config::Config,
    domain::{
        key_schedule::{KeyPolicy, KeyState, RotationReason, Schedule, Step, StoredKey},
        root_key::RootKey,
        signing_key::SigningKey,
    },
    events,
    store::signing_keys,
};

mod command;

pub use command::{KeyCommand, run};

/// The longest wait after a failed read.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// The least time between two reads that tokens with an unknown key id cause.
const UNKNOWN_KID_INTERVAL: Duration = Duration::from_millis(100);
/// How often a change is tried while other instances change the keys first.
const ATTEMPTS: usize = 5;

/// The keys that sign access tokens and verify them.
pub(crate) struct SigningKeys {
    db: PgPool,
    root_key: RootKey,
    policy: KeyPolicy,
    refresh_interval: Duration,
    max_staleness: Duration,
    published: ArcSwapOption<Published>,
    verifying: Arc<Keys>,
    /// The time of the last attempt to read the keys. Locked during a read, so that reads do not
    /// overlap.
    last_attempt: Mutex<Option<Instant>>,
}

/// The published keys of the last read, each with its activation time, in that order.
struct Published {
    read: Instant,
    keys: Vec<(Instant, SigningKey)>,
}

impl SigningKeys {
    /// No keys until the first [`refresh`](Self::refresh).
    pub(crate) fn new(db: PgPool, config: &Config) -> Self {
        Self {
            db,
            root_key: config.root_key.get().clone(),
            policy: config.key_policy(),
            refresh_interval: config.signing_keys.refresh,
            max_staleness: config.signing_keys.max_staleness(),
            published: ArcSwapOption::default(),
            verifying: Arc::default(),
            last_attempt: Mutex::default(),
        }
    }

    /// Makes the changes that are due, and reads the keys. In a new database, the first instance
    /// creates the first key.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let mut last_attempt = self.last_attempt.lock().await;
        self.read(&mut last_attempt).await
    }

    /// Refreshes the keys at the configured interval, until the future is dropped.
    pub(crate) async fn follow(&self) {
        let mut failing = false;
        loop {
            // Instances that start together spread their reads.
            let interval = jitter(self.refresh_interval);
            sleep(if failing { interval.min(RETRY_INTERVAL) } else { interval }).await;
            let refreshed = self.refresh().await;
            if let Err(error) = &refreshed
                && !failing
            {
                tracing::warn!(cause = error.causes(), "cannot read the signing keys");
            }
            failing = refreshed.is_err();
        }
    }

    /// Reads the keys because a token names an unknown one, which another instance may have just
    /// created. Concurrent calls share one read.
    pub(crate) async fn refresh_for_unknown_kid(&self) {
        let arrived = Instant::now();
        let mut last_attempt = self.last_attempt.lock().await;
        let Some(last) = last_attempt.filter(|last| *last < arrived) else { return };
        sleep_until(last + UNKNOWN_KID_INTERVAL).await;
        if let Err(error) = self.read(&mut last_attempt).await {
            tracing::debug!(cause = error.causes(), "cannot read the signing keys");
        }
    }

    /// Whether tokens can be signed; if not, the reason for the readiness probe.
    pub(crate) fn check(&self) -> Result<(), Arc<str>> {
        let fresh = self.published.load().as_ref().is_some_and(|keys| self.is_fresh(keys));
        fresh.then_some(()).ok_or_else(|| "the signing keys cannot be read".into())
    }

    /// The published public keys.
    pub(crate) fn jwks(&self) -> Result<Vec<Jwk>, Error> {
        let published = self.published.load();
        let published = published.as_ref().ok_or(auth::Error::KeysUnavailable)?;
        Ok(published.keys.iter().map(|(_, key)| key.jwk().clone()).collect())
    }

    /// The keys that verify the tokens of [`sign`](Self::sign).
    pub(crate) fn verifying(&self) -> Arc<Keys> {
        self.verifying.clone()
    }

    /// Signs an access token with the active key, without a database call. Fails if the last read
    /// is so old that the key may no longer be published when the token expires.
    pub(crate) fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let published = self.published.load();
        let fresh = published.as_ref().filter(|keys| self.is_fresh(keys));
        let keys = &fresh.ok_or(auth::Error::KeysUnavailable)?.keys;
        let now = Instant::now();
        let active = keys.iter().rev().find(|(active_from, _)| *active_from <= now);
        let (_, key) = active.ok_or(auth::Error::KeysUnavailable)?;
        Ok(key.sign(claims))
    }

    fn is_fresh(&self, keys: &Published) -> bool {
        keys.read.elapsed() <= self.max_staleness
    }

    async fn read(&self, last_attempt: &mut Option<Instant>) -> Result<(), Error> {
        let now = Instant::now();
        *last_attempt = Some(now);
        let (schedule, keys) = self.maintain().await?;
        let jwks: Vec<_> = keys.iter().map(|(_, key)| key.jwk().clone()).collect();
        let set = KeySet::from_jwks(&jwks).map_err(|error| Error::Internal(error.into()))?;
        self.verifying.set(set);
        let keys = keys.into_iter().map(|(wait, key)| (now + wait, key)).collect();
        let published = Published { read: now, keys };
        let before = self.published.swap(Some(Arc::new(published)));
        let before = before.map(|published| published.kids()).unwrap_or_default();
        if !jwks.iter().map(|jwk| &jwk.kid).eq(&before) {
            let active = schedule.find(KeyState::Active).map(|key| &key.sealed.kid);
            tracing::info!(active, published = jwks.len(), "signing keys changed");
        }
        Ok(())
    }

    /// Makes the changes that are due. Returns the schedule of all keys, and the published keys,
    /// each with the time until it becomes active.
    async fn maintain(&self) -> Result<(Schedule, Vec<(Duration, SigningKey)>), Error> {
        for _ in 0..ATTEMPTS {
            let schedule = signing_keys::list(&self.db, self.policy).await?;
            // Before any change: an instance with the wrong root key must change nothing.
            let keys = self.open(&schedule)?;
            if let Some(step) = schedule.due() {
                self.apply(&schedule, step).await?;
                continue;
            }
            for (key, state) in schedule.keys() {
                if state == KeyState::Gone {
                    signing_keys::delete(&self.db, &key.sealed.kid).await?;
                } else if key.token_lifetime < self.policy.token_lifetime {
                    let lifetime = self.policy.token_lifetime;
                    signing_keys::raise_token_lifetime(&self.db, lifetime).await?;
                }
            }
            return Ok((schedule, keys));
        }
        Err(Error::Conflict("other instances keep changing the signing keys".into()))
    }

    /// Applies a step, unless another instance has applied it.
    async fn apply(&self, schedule: &Schedule, step: Step) -> Result<(), Error> {
        match step {
            Step::Insert { lead, reason } => {
                self.insert(schedule, lead, reason).await?;
            }
            Step::Promote { kid, lead, reason } => {
                if signing_keys::promote(&self.db, &kid, lead, reason).await? {
                    events::log_key_rotated(&kid, reason);
                }
            }
        }
        Ok(())
    }

    /// Creates a key and returns its id; `None` if another instance has created that key.
    async fn insert(
        &self,
        schedule: &Schedule,
        lead: Duration,
        reason: RotationReason,
    ) -> Result<Option<String>, Error> {
        let key = SigningKey::generate(&self.root_key);
        let (number, lifetime) = (schedule.next_number(), self.policy.token_lifetime);
        let db = &self.db;
        if !signing_keys::insert(db, &key, number, lead, lifetime, reason).await? {
            return Ok(None);
        }
        events::log_key_rotated(&key.kid, reason);
        Ok(Some(key.kid))
    }

    fn open(&self, schedule: &Schedule) -> Result<Vec<(Duration, SigningKey)>, Error> {
        let published = schedule.keys().filter(|(_, state)| state.is_published());
        let open = |(stored, _): (&StoredKey, _)| -> Result<_, Error> {
            let key = SigningKey::open(&stored.sealed, &self.root_key).ok_or_else(|| {
                Error::Internal(
                    format!(
                        "the root key does not open the signing key {} in the database: set \
                         AUTH_ROOT_KEY or AUTH_ROOT_KEY_FILE to the key that sealed it",
                        stored.sealed.kid
                    )
                    .into(),
                )
            })?;
            Ok((schedule.until_active(stored), key))
        };
        published.map(open).collect()
    }
}

impl Published {
    fn kids(&self) -> Vec<Option<String>> {
        self.keys.iter().map(|(_, key)| key.jwk().kid.clone()).collect()
    }
}
