//! The life of signing keys: next, active, retired, gone. A state is never stored: it follows from
//! the keys' times, so that all who read the same rows at the same time agree.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::signing_key::SealedSigningKey;

/// The most keys that are published at once; verifiers refuse a set with more.
pub(crate) const MAX_PUBLISHED: usize = 16;

/// How often keys change, and how long they are published before and after they sign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyPolicy {
    /// How long a key signs.
    pub(crate) rotation: Duration,
    /// How long it is published before.
    pub(crate) lead: Duration,
    /// How long it is published after the last token that it signed was to expire.
    pub(crate) grace: Duration,
    /// How long the tokens last that this instance makes.
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

/// What a key is good for at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Published, and does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Published for the tokens that it signed, until they have expired.
    Retired,
    /// No token of it is good any more.
    Gone,
    /// Refused, whatever it has signed.
    Revoked,
}

impl KeyState {
    /// Whether verifiers should know it.
    pub(crate) fn is_published(self) -> bool {
        matches!(self, Self::Next | Self::Active | Self::Retired)
    }
}

/// Why a key was made or became active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RotationReason {
    First,
    Age,
    Command,
    Revocation,
}

/// What should be done about the keys now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make a key that becomes active when so much time has passed.
    Insert { lead: Duration, reason: RotationReason },
    /// Let the next key become active when so much time has passed since it was made.
    Promote { kid: String, lead: Duration, reason: RotationReason },
}

/// All keys at a time of the database's clock.
pub(crate) struct Schedule {
    keys: Vec<StoredKey>,
    now: DateTime<Utc>,
    policy: KeyPolicy,
}

impl Schedule {
    /// The keys in any order.
    pub(crate) fn new(mut keys: Vec<StoredKey>, now: DateTime<Utc>, policy: KeyPolicy) -> Self {
        keys.sort_by_key(|key| (key.activate_time, key.number));
        Self { keys, now, policy }
    }

    /// Each key and its state, in the order in which they become active.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&StoredKey, KeyState)> {
        self.keys.iter().enumerate().map(|(i, key)| (key, self.state(i)))
    }

    /// The first key in this state.
    pub(crate) fn find(&self, state: KeyState) -> Option<&StoredKey> {
        self.keys().find(|(_, other)| *other == state).map(|(key, _)| key)
    }

    /// How long it is until a key becomes active; nothing if it has.
    pub(crate) fn until_active(&self, key: &StoredKey) -> Duration {
        (key.activate_time - self.now).to_std().unwrap_or_default()
    }

    /// When the last token of a key has expired, once it is known which key follows it.
    pub(crate) fn expire_time(&self, kid: &str) -> Option<DateTime<Utc>> {
        self.expire_time_at(self.keys.iter().position(|key| key.sealed.kid == kid)?)
    }

    /// The number of the key that is made next.
    pub(crate) fn next_number(&self) -> i64 {
        self.keys.iter().map(|key| key.number).max().unwrap_or_default() + 1
    }

    /// Whether one more may be published.
    pub(crate) fn has_room(&self) -> bool {
        self.keys().filter(|(_, state)| state.is_published()).count() < MAX_PUBLISHED
    }

    /// What should be done now, if anything.
    pub(crate) fn due(&self) -> Option<Step> {
        let Some(active) = self.find(KeyState::Active) else {
            return Some(self.replace_active());
        };
        let lead = self.policy.lead;
        let oldest = self.now - self.policy.rotation.saturating_sub(lead);
        let due = active.activate_time <= oldest && self.find(KeyState::Next).is_none();
        (due && self.has_room()).then_some(Step::Insert { lead, reason: RotationReason::Age })
    }

    /// What fills the place of the active key, at once: nothing signs until then.
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

    /// The key that takes over. One that was revoked after it did so has taken over: what retired
    /// never becomes active again.
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

    /// The states of keys with these times of activation and revocation.
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
    fn what_retired_never_becomes_active_again() {
        use KeyState::{Active, Next, Retired, Revoked};
        assert_eq!(states(&[(0, None), (1000, Some(1010))], 1020), [Retired, Revoked]);
        assert_eq!(states(&[(0, None), (1000, Some(990))], 1020), [Active, Revoked]);
        assert_eq!(states(&[(0, Some(5)), (1000, None)], 10), [Revoked, Next]);
    }

    #[test]
    fn the_next_key_is_made_in_time_and_once() {
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
    fn no_more_keys_are_published_than_verifiers_accept() {
        let keys: Vec<_> = (0..16).map(|i| (i, None)).collect();
        let full = schedule(&keys, 15);
        assert!(!full.has_room() && full.due().is_none());
    }

    proptest! {
        #[test]
        fn at_any_time_one_key_signs_at_most_and_its_tokens_outlive_no_published_key(
            keys in prop::collection::vec((0..3000_i64, prop::option::of(0..3000_i64)), 0..8),
            now in 0..3000_i64,
        ) {
            let schedule = schedule(&keys, now);
            let active = schedule.keys().filter(|(_, state)| *state == KeyState::Active);
            prop_assert!(active.count() <= 1);
            for (key, state) in schedule.keys() {
                let retires = schedule.expire_time(&key.sealed.kid);
                let signed_until = retires.map(|time| time - POLICY.grace - POLICY.token_lifetime);
                // Whoever signed with it until it retired, or signs now, finds it published until
                // the token has expired.
                let needed = key.activate_time <= at(now)
                    && signed_until.is_none_or(|time| at(now) < time + POLICY.token_lifetime);
                let published = state.is_published() || state == KeyState::Revoked;
                prop_assert!(!needed || published, "{state:?}");
            }
        }
    }
}
