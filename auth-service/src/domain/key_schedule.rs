//! The life cycle of signing keys: next, active, retired, gone. States are not stored but derived
//! from the keys' times, so that instances that read the same rows agree.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{event::ActedBy, signing_key::SealedSigningKey};

/// The most published keys; verifiers reject a larger set.
pub(crate) const MAX_PUBLISHED: usize = 16;

/// How often keys rotate, and how long each is published before and after it signs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyPolicy {
    /// How long a key signs.
    pub(crate) rotation: Duration,
    /// How long a key is published before it signs.
    pub(crate) lead: Duration,
    /// How long a key is published after its last token has expired.
    pub(crate) grace: Duration,
    /// The lifetime of the tokens that this instance signs.
    pub(crate) token_lifetime: Duration,
}

/// A key as it is stored.
pub(crate) struct StoredKey {
    pub(crate) sealed: SealedSigningKey,
    pub(crate) number: i64,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) activate_time: DateTime<Utc>,
    pub(crate) token_lifetime: Duration,
    pub(crate) revoke_time: Option<DateTime<Utc>>,
}

/// The state of a key at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Published but not signing yet.
    Next,
    /// Signing.
    Active,
    /// Published until the last token that it signed has expired.
    Retired,
    /// No longer published: all of its tokens have expired.
    Gone,
    /// No longer published: its tokens are rejected.
    Revoked,
}

impl KeyState {
    /// Whether verifiers receive the key.
    pub(crate) fn is_published(self) -> bool {
        matches!(self, Self::Next | Self::Active | Self::Retired)
    }
}

/// Why a key was created or activated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RotationReason {
    First,
    Age,
    Command,
    Revocation,
}

impl RotationReason {
    /// The name in the log and in the audit log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Age => "age",
            Self::Command => "command",
            Self::Revocation => "revocation",
        }
    }

    /// The actor: the command `keys`, or the service by its schedule.
    pub(crate) fn actor(self) -> ActedBy {
        match self {
            Self::First | Self::Age => ActedBy::Service,
            Self::Command | Self::Revocation => ActedBy::Command,
        }
    }
}

/// A change to the keys that is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Create a key that becomes active after `lead`.
    Insert { lead: Duration, reason: RotationReason },
    /// Activate the next key `lead` after its creation.
    Promote { kid: String, lead: Duration, reason: RotationReason },
}

/// All keys at a time on the database's clock.
pub(crate) struct Schedule {
    keys: Vec<StoredKey>,
    now: DateTime<Utc>,
    policy: KeyPolicy,
}

impl Schedule {
    /// Takes the keys in any order.
    pub(crate) fn new(mut keys: Vec<StoredKey>, now: DateTime<Utc>, policy: KeyPolicy) -> Self {
        keys.sort_by_key(|key| (key.activate_time, key.number));
        Self { keys, now, policy }
    }

    /// Each key and its state, in the order of activation.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&StoredKey, KeyState)> {
        self.keys.iter().enumerate().map(|(i, key)| (key, self.state(i)))
    }

    /// The first key in this state.
    pub(crate) fn find(&self, state: KeyState) -> Option<&StoredKey> {
        self.keys().find(|(_, other)| *other == state).map(|(key, _)| key)
    }

    /// The time until a key becomes active; zero if it has.
    pub(crate) fn until_active(&self, key: &StoredKey) -> Duration {
        (key.activate_time - self.now).to_std().unwrap_or_default()
    }

    /// The time at which the last token of a key has expired, if the key has a successor.
    pub(crate) fn expire_time(&self, kid: &str) -> Option<DateTime<Utc>> {
        self.expire_time_at(self.keys.iter().position(|key| key.sealed.kid == kid)?)
    }

    /// The number for a new key.
    pub(crate) fn next_number(&self) -> i64 {
        self.keys.iter().map(|key| key.number).max().unwrap_or_default() + 1
    }

    /// Whether another key can be published.
    pub(crate) fn has_room(&self) -> bool {
        self.keys().filter(|(_, state)| state.is_published()).count() < MAX_PUBLISHED
    }

    /// The change that is due now, if any.
    pub(crate) fn due(&self) -> Option<Step> {
        let Some(active) = self.find(KeyState::Active) else {
            return Some(self.replace_active());
        };
        let lead = self.policy.lead;
        let oldest = self.now - self.policy.rotation.saturating_sub(lead);
        let due = active.activate_time <= oldest && self.find(KeyState::Next).is_none();
        (due && self.has_room()).then_some(Step::Insert { lead, reason: RotationReason::Age })
    }

    /// Replaces the active key without a lead: no key signs until then.
    fn replace_active(&self) -> Step {
        let lead = Duration::ZERO;
        let reason =
            if self.keys.is_empty() { RotationReason::First } else { RotationReason::Revocation };
        match self.find(KeyState::Next) {
            Some(next) => Step::Promote { kid: next.sealed.kid.clone(), lead, reason },
            None => Step::Insert { lead, reason },
        }
    }

    fn state(&self, i: usize) -> KeyState {
        let key = &self.keys[i];
        if key.revoke_time.is_some() {
            KeyState::Revoked
        } else if key.activate_time > self.now {
            KeyState::Next
        } else if self.successor(i).is_none_or(|next| next.activate_time > self.now) {
            KeyState::Active
        } else if self.expire_time_at(i).is_none_or(|time| time > self.now) {
            KeyState::Retired
        } else {
            KeyState::Gone
        }
    }

    /// The key that takes over from this one. A key that was revoked after its activation still
    /// counts: a retired key never becomes active again.
    fn successor(&self, i: usize) -> Option<&StoredKey> {
        let signs = |key: &&StoredKey| key.revoke_time.is_none_or(|time| time > key.activate_time);
        self.keys[i + 1..].iter().find(signs)
    }

    fn expire_time_at(&self, i: usize) -> Option<DateTime<Utc>> {
        let retire_time = self.successor(i)?.activate_time;
        Some(retire_time + self.keys[i].token_lifetime + self.policy.grace)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: KeyPolicy = KeyPolicy {
        rotation: Duration::from_secs(1000),
        lead: Duration::from_secs(100),
        grace: Duration::from_secs(10),
        token_lifetime: Duration::from_mins(1),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn key(number: i64, activate: i64, revoke: Option<i64>) -> StoredKey {
        StoredKey {
            sealed: SealedSigningKey { kid: number.to_string(), private_key: Vec::new() },
            number,
            create_time: at(activate),
            activate_time: at(activate),
            token_lifetime: POLICY.token_lifetime,
            revoke_time: revoke.map(at),
        }
    }

    /// The states of keys with these activation and revocation times.
    fn states(keys: &[(i64, Option<i64>)], now: i64) -> Vec<KeyState> {
        schedule(keys, now).keys().map(|(_, state)| state).collect()
    }

    fn schedule(keys: &[(i64, Option<i64>)], now: i64) -> Schedule {
        let keys = (1..).zip(keys).map(|(number, (from, revoke))| key(number, *from, *revoke));
        Schedule::new(keys.collect(), at(now), POLICY)
    }

    #[test]
    fn a_key_is_next_then_active_then_retired_then_gone() {
        use KeyState::{Active, Gone, Next, Retired};
        let keys = [(0, None), (1000, None)];
        for (now, expected) in [
            (0, [Active, Next]),
            (999, [Active, Next]),
            (1000, [Retired, Active]),
            (1069, [Retired, Active]),
            (1070, [Gone, Active]),
        ] {
            assert_eq!(states(&keys, now), expected, "{now}");
        }
    }

    #[test]
    fn a_retired_key_never_becomes_active_again() {
        use KeyState::{Active, Next, Retired, Revoked};
        assert_eq!(states(&[(0, None), (1000, Some(1010))], 1020), [Retired, Revoked]);
        assert_eq!(states(&[(0, None), (1000, Some(990))], 1020), [Active, Revoked]);
        assert_eq!(states(&[(0, Some(5)), (1000, None)], 10), [Revoked, Next]);
    }

    #[test]
    fn the_next_key_is_created_once_and_in_time() {
        let first = Step::Insert { lead: Duration::ZERO, reason: RotationReason::First };
        let age = Step::Insert { lead: POLICY.lead, reason: RotationReason::Age };
        let replace = Step::Insert { lead: Duration::ZERO, reason: RotationReason::Revocation };
        let promote = Step::Promote {
            kid: "2".into(),
            lead: Duration::ZERO,
            reason: RotationReason::Revocation,
        };
        assert_eq!(schedule(&[], 0).due(), Some(first));
        assert_eq!(schedule(&[(0, None)], 899).due(), None);
        assert_eq!(schedule(&[(0, None)], 900).due(), Some(age));
        assert_eq!(schedule(&[(0, None), (1000, None)], 950).due(), None);
        assert_eq!(schedule(&[(0, Some(5))], 6).due(), Some(replace));
        assert_eq!(schedule(&[(0, Some(5)), (1000, None)], 6).due(), Some(promote));
    }

    #[test]
    fn at_most_as_many_keys_are_published_as_verifiers_accept() {
        let keys: Vec<_> = (0..16).map(|i| (i, None)).collect();
        let full = schedule(&keys, 15);
        assert!(!full.has_room() && full.due().is_none());
    }

    proptest! {
        #[test]
        fn at_most_one_key_signs_and_each_key_is_published_until_its_tokens_expire(
            keys in prop::collection::vec((0..3000_i64, prop::option::of(0..3000_i64)), 0..8),
            now in 0..3000_i64,
        ) {
            let schedule = schedule(&keys, now);
            let active = schedule.keys().filter(|(_, state)| *state == KeyState::Active);
            prop_assert!(active.count() <= 1);
            for (key, state) in schedule.keys() {
                let retires = schedule.expire_time(&key.sealed.kid);
                let signed_until = retires.map(|time| time - POLICY.grace - POLICY.token_lifetime);
                // A key that signs, or signed until it retired, stays published until its last
                // token has expired.
                let needed = key.activate_time <= at(now)
                    && signed_until.is_none_or(|time| at(now) < time + POLICY.token_lifetime);
                let published = state.is_published() || state == KeyState::Revoked;
                prop_assert!(!needed || published, "{state:?}");
            }
        }
    }
}
