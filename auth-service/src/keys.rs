//! The signing keys of this process: read from the database again and again, made there when it is
//! time, and shown to those who verify.

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

/// How long to wait after the keys could not be read.
const RETRY_INTERVAL: Duration = Duration::from_millis(200);
/// How often tokens that name unknown keys may have the keys read again.
const UNKNOWN_KID_INTERVAL: Duration = Duration::from_millis(100);
/// How often what is due is tried when other instances are faster.
const ATTEMPTS: usize = 5;

/// What signs access tokens, and what verifies them.
pub(crate) struct SigningKeys {
    db: PgPool,
    root_key: RootKey,
    policy: KeyPolicy,
    refresh_interval: Duration,
    max_staleness: Duration,
    published: ArcSwapOption<Published>,
    verifying: Arc<Keys>,
    /// When they were last tried to be read; held while reading, so that one does it at a time.
    tried: Mutex<Option<Instant>>,
}

/// The keys as they were read last, in the order in which they become active.
struct Published {
    read: Instant,
    keys: Vec<(Instant, SigningKey)>,
}

impl SigningKeys {
    /// Keys that are not read yet.
    pub(crate) fn new(db: PgPool, config: &Config) -> Self {
        Self {
            db,
            root_key: config.root_key.get().clone(),
            policy: config.key_policy(),
            refresh_interval: config.signing_keys.refresh,
            max_staleness: config.signing_keys.max_staleness(),
            published: ArcSwapOption::default(),
            verifying: Arc::default(),
            tried: Mutex::default(),
        }
    }

    /// Does what is due, and reads the keys. The first instance to come to a new database makes
    /// one.
    pub(crate) async fn refresh(&self) -> Result<(), Error> {
        let mut tried = self.tried.lock().await;
        self.read(&mut tried).await
    }

    /// Refreshes the keys whenever it is time, until it is dropped.
    pub(crate) async fn follow(&self) {
        let mut failing = false;
        loop {
            // Instances that start together should not look together for ever.
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

    /// Reads the keys because a token names one that is not known: another instance may have made
    /// it a moment ago. However many such calls there are, one reads and all wait for it.
    pub(crate) async fn follow_unknown(&self) {
        let arrived = Instant::now();
        let mut tried = self.tried.lock().await;
        let Some(last) = tried.filter(|last| *last < arrived) else { return };
        sleep_until(last + UNKNOWN_KID_INTERVAL).await;
        if let Err(error) = self.read(&mut tried).await {
            tracing::debug!(cause = error.causes(), "cannot read the signing keys");
        }
    }

    /// Why tokens cannot be signed, if they cannot.
    pub(crate) fn check(&self) -> Result<(), Arc<str>> {
        let fresh = self.published.load().as_ref().is_some_and(|keys| self.is_fresh(keys));
        fresh.then_some(()).ok_or_else(|| "the signing keys cannot be read".into())
    }

    /// The public keys, as they are published.
    pub(crate) fn jwks(&self) -> Result<Vec<Jwk>, Error> {
        let published = self.published.load();
        let published = published.as_ref().ok_or(auth::Error::KeysUnavailable)?;
        Ok(published.keys.iter().map(|(_, key)| key.jwk().clone()).collect())
    }

    /// The keys that verify what [`sign`](Self::sign) makes.
    pub(crate) fn verifying(&self) -> Arc<Keys> {
        self.verifying.clone()
    }

    /// Signs an access token with the key that is active now, which needs no news from the
    /// database; with none that may have retired too long ago for that.
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

    async fn read(&self, tried: &mut Option<Instant>) -> Result<(), Error> {
        let now = Instant::now();
        *tried = Some(now);
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
            tracing::info!(active, published = jwks.len(), "these are the signing keys now");
        }
        Ok(())
    }

    /// Does what is due. Returns all keys, and those that are published, each with the time until
    /// it becomes active.
    async fn maintain(&self) -> Result<(Schedule, Vec<(Duration, SigningKey)>), Error> {
        for _ in 0..ATTEMPTS {
            let schedule = signing_keys::list(&self.db, self.policy).await?;
            // First of all: whose root key does not fit changes nothing.
            let keys = self.open(&schedule)?;
            if let Some(step) = schedule.due() {
                self.take(&schedule, step).await?;
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
        Err(Error::Conflict("other instances changed the signing keys again and again".into()))
    }

    /// Takes a step, unless another instance is faster.
    async fn take(&self, schedule: &Schedule, step: Step) -> Result<(), Error> {
        match step {
            Step::Insert { lead, reason } => {
                self.insert(schedule, lead, reason).await?;
            }
            Step::Promote { kid, lead, reason } => {
                if signing_keys::promote(&self.db, &kid, lead).await? {
                    events::record_key_rotated(&kid, reason);
                }
            }
        }
        Ok(())
    }

    /// Makes a key. Returns its kid, unless another instance was faster.
    async fn insert(
        &self,
        schedule: &Schedule,
        lead: Duration,
        reason: RotationReason,
    ) -> Result<Option<String>, Error> {
        let key = SigningKey::generate(&self.root_key);
        let (number, lifetime) = (schedule.next_number(), self.policy.token_lifetime);
        if !signing_keys::insert(&self.db, &key, number, lead, lifetime).await? {
            return Ok(None);
        }
        events::record_key_rotated(&key.kid, reason);
        Ok(Some(key.kid))
    }

    fn open(&self, schedule: &Schedule) -> Result<Vec<(Duration, SigningKey)>, Error> {
        let published = schedule.keys().filter(|(_, state)| state.is_published());
        let open = |(stored, _): (&StoredKey, _)| -> Result<_, Error> {
            let key = SigningKey::open(&stored.sealed, &self.root_key).ok_or_else(|| {
                Error::Internal(
                    format!(
                        "the root key does not open the signing key {} in the database: set \
                         AUTH_ROOT_KEY or AUTH_ROOT_KEY_FILE to the one it was made with",
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
