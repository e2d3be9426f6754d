//! Passwords, the rules for new ones, and stored password hashes.

use std::{fmt, str::FromStr as _};

use bcrypt::HashParts;
use shared::error::Invalid;
use zeroize::Zeroizing;
use zxcvbn::{Score, zxcvbn};

use super::user::Account;

/// bcrypt reads 72 bytes, the last of them a terminator.
const MAX_BYTES: usize = 71;
const MIN_CHARS: usize = 8;
/// The highest cost of a stored hash that is verified, equal to the highest configurable cost.
const MAX_COST: u32 = 15;

/// A password in plain text. Never printed, and wiped on drop.
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    /// A password to verify. Any text is accepted.
    pub(crate) fn typed(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// A new password: at least 8 characters, at most 71 bytes, no NUL, and hard to guess for an
    /// attacker who knows the username. Takes up to a second: zxcvbn tries every reading of digits
    /// and signs as letters.
    pub(crate) fn choose(text: String, username: &str) -> Result<Self, Invalid> {
        let password = Self::typed(text);
        let text = password.as_str();
        if text.chars().count() < MIN_CHARS {
            return Err("must have at least 8 characters".into());
        }
        if text.len() > MAX_BYTES {
            return Err("must have at most 71 bytes".into());
        }
        if text.contains('\0') {
            return Err("must not contain NUL".into());
        }
        let username: String = username.chars().take(MAX_BYTES).collect();
        if zxcvbn(text, &[&username]).score() < Score::Three {
            return Err("is easy to guess; use a few unrelated words".into());
        }
        Ok(password)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// A well-formed bcrypt hash of a cost from 4 to 15.
#[derive(Clone)]
pub(crate) struct PasswordHash {
    text: String,
    cost: u32,
}

impl PasswordHash {
    /// The stored hash of an account; `None` if it is malformed or its cost is out of range.
    pub(crate) fn of(account: &Account) -> Option<Self> {
        Self::stored(account.password_hash.clone())
    }

    /// Parses a stored hash; `None` if it is malformed or its cost is out of range.
    pub(crate) fn stored(text: String) -> Option<Self> {
        let cost = HashParts::from_str(&text).ok()?.get_cost();
        (4..=MAX_COST).contains(&cost).then_some(Self { text, cost })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The bcrypt cost. Each step doubles the time to verify.
    pub(crate) fn cost(&self) -> u32 {
        self.cost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn choose(text: &str) -> Result<(), Invalid> {
        Password::choose(text.to_owned(), "ada-lovelace").map(drop)
    }

    #[test]
    fn a_new_password_satisfies_each_rule() {
        let longest = "quiet otter sails north by the light of seven paper lanterns tonight ok";
        assert_eq!(longest.len(), MAX_BYTES);
        for good in
            ["quiet-otter-sails-north", "Tr0ub4dor&3x!q", "日本語の長い秘密の言葉です", longest]
        {
            assert_eq!(choose(good), Ok(()), "{good}");
        }
        for (bad, rule) in [
            ("", "at least 8"),
            ("tiny1!x", "at least 8"),
            (&format!("{longest}!"), "at most 71"),
            ("quiet-otter\0sails-north", "NUL"),
            ("password", "easy to guess"),
            ("12345678", "easy to guess"),
            ("ada-lovelace", "easy to guess"),
        ] {
            let Err(Invalid(text)) = choose(bad) else { panic!("{bad:?} passed") };
            assert!(text.contains(rule), "{bad:?}: {text}");
        }
    }

    #[test]
    fn a_stored_hash_that_is_malformed_or_out_of_range_is_rejected() {
        let rest = "L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";
        for version in ["2a", "2b", "2y"] {
            assert!(PasswordHash::stored(format!("${version}$12${rest}")).is_some());
        }
        for text in [
            String::new(),
            "plain".to_owned(),
            format!("$2b$31${rest}"),
            format!("$2b$03${rest}"),
            format!("$2b$xx${rest}"),
            format!("$2b$12${}", &rest[1..]),
            format!("$2b$12${rest}é"),
        ] {
            assert!(PasswordHash::stored(text.clone()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in any::<String>(), username in any::<String>()) {
            let _ = Password::choose(text.clone(), &username);
            let _ = PasswordHash::stored(text);
        }
    }
}
