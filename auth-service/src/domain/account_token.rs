//! Short-lived tokens about an account, authenticated by a key outside the database: the challenge
//! of a login, and the token that resets a password. Nothing about them is stored.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use shared::ids::UserId;
use uuid::Uuid;

use super::root_key::RootKey;

/// The size of a user id, a password version and a time in seconds.
const PAYLOAD_BYTES: usize = 16 + 4 + 8;

/// What a token lets its holder do. A token opens for its own purpose only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    CompleteLogin,
    ResetPassword,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::CompleteLogin => "tandem: login challenges, v1",
            Self::ResetPassword => "tandem: password reset tokens, v1",
        }
    }
}

/// Seals and opens the tokens of one purpose.
pub(crate) struct AccountTokens {
    key: hmac::Key,
    lifetime: Duration,
}

/// The content of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountToken {
    pub(crate) user_id: UserId,
    /// The token is void once the account has another version.
    pub(crate) password_version: i32,
}

/// A token's text and its end.
pub(crate) struct Sealed {
    pub(crate) text: String,
    pub(crate) expire_time: DateTime<Utc>,
}

/// Why a token does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// This service did not make it: a mistake, or a guess.
    Forged,
    Expired,
}

impl AccountTokens {
    /// Tokens that live for `lifetime`, in whole seconds.
    pub(crate) fn new(root_key: &RootKey, purpose: Purpose, lifetime: Duration) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*root_key.derive(purpose.name()));
        Self { key, lifetime }
    }

    /// The text for the client.
    pub(crate) fn seal(&self, token: AccountToken, now: DateTime<Utc>) -> Sealed {
        let seconds = now.timestamp().saturating_add_unsigned(self.lifetime.as_secs());
        let expire_time = DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let mut text = Vec::with_capacity(PAYLOAD_BYTES + 32);
        text.extend_from_slice(token.user_id.0.as_bytes());
        text.extend_from_slice(&token.password_version.to_be_bytes());
        text.extend_from_slice(&expire_time.timestamp().to_be_bytes());
        let tag = hmac::sign(&self.key, &text);
        text.extend_from_slice(tag.as_ref());
        Sealed { text: URL_SAFE_NO_PAD.encode(text), expire_time }
    }

    /// Opens the text of [`seal`](Self::seal). The comparison takes constant time.
    pub(crate) fn open(&self, text: &str, now: DateTime<Utc>) -> Result<AccountToken, Rejected> {
        let (token, expire_time) = self.authenticate(text).ok_or(Rejected::Forged)?;
        if expire_time <= now.timestamp() { Err(Rejected::Expired) } else { Ok(token) }
    }

    fn authenticate(&self, text: &str) -> Option<(AccountToken, i64)> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, tag) = bytes.split_at_checked(PAYLOAD_BYTES)?;
        hmac::verify(&self.key, payload, tag).ok()?;
        let (user_id, rest) = payload.split_first_chunk::<16>()?;
        let (password_version, expire_time) = rest.split_first_chunk::<4>()?;
        let token = AccountToken {
            user_id: UserId(Uuid::from_bytes(*user_id)),
            password_version: i32::from_be_bytes(*password_version),
        };
        Some((token, i64::from_be_bytes(expire_time.try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn tokens(byte: char, purpose: Purpose) -> AccountTokens {
        let root_key = byte.to_string().repeat(42) + "A=";
        let root_key = root_key.parse().expect("the key is 32 bytes in base64");
        AccountTokens::new(&root_key, purpose, HOUR)
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn token() -> impl Strategy<Value = AccountToken> {
        (any::<[u8; 16]>(), any::<i32>()).prop_map(|(id, password_version)| AccountToken {
            user_id: UserId(Uuid::from_bytes(id)),
            password_version,
        })
    }

    proptest! {
        #[test]
        fn any_changed_bit_is_rejected(
            token in token(),
            byte in 0_usize..PAYLOAD_BYTES + 32,
            bit in 0..8,
        ) {
            let (ours, now) = (tokens('A', Purpose::ResetPassword), at(1_800_000_000));
            let text = ours.seal(token, now).text;
            prop_assert_eq!(ours.open(&text, now), Ok(token));
            let mut changed = URL_SAFE_NO_PAD.decode(&text).expect("the token is base64");
            changed[byte] ^= 1_u8 << bit;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            prop_assert_eq!(ours.open(&changed, now), Err(Rejected::Forged));
        }

        #[test]
        fn any_changed_character_is_rejected(
            token in token(),
            place in 0_usize..80,
            letter in "[A-Za-z0-9_=+/-]",
        ) {
            let (ours, now) = (tokens('A', Purpose::CompleteLogin), at(1_800_000_000));
            let text = ours.seal(token, now).text;
            let mut changed = text.clone();
            changed.replace_range(place..=place, &letter);
            prop_assert_eq!(ours.open(&changed, now).is_ok(), changed == text);
            prop_assert_eq!(ours.open(&text[..place], now), Err(Rejected::Forged));
            prop_assert_eq!(ours.open(&format!("{text}{letter}"), now), Err(Rejected::Forged));
        }

        #[test]
        fn a_token_opens_with_its_root_key_for_its_purpose_only(token in token()) {
            let now = at(1_800_000_000);
            for (byte, purpose) in [('B', Purpose::ResetPassword), ('A', Purpose::CompleteLogin)] {
                let text = tokens('A', Purpose::ResetPassword).seal(token, now).text;
                prop_assert_eq!(tokens(byte, purpose).open(&text, now), Err(Rejected::Forged));
            }
        }

        #[test]
        fn a_token_opens_until_its_end(token in token(), begin in 0..4_000_000_000_i64) {
            let ours = tokens('A', Purpose::ResetPassword);
            let sealed = ours.seal(token, at(begin));
            prop_assert_eq!(sealed.expire_time, at(begin + 3600));
            for (age, opened) in [(0, Ok(token)), (3599, Ok(token)), (3600, Err(Rejected::Expired))]
            {
                prop_assert_eq!(ours.open(&sealed.text, at(begin + age)), opened, "{} s", age);
            }
        }

        #[test]
        fn arbitrary_text_does_not_open(text in any::<String>()) {
            let opened = tokens('A', Purpose::CompleteLogin).open(&text, at(0));
            prop_assert_eq!(opened, Err(Rejected::Forged));
        }
    }
}
