//! Passwords, the rules for new ones, and stored password hashes.

use std::{fmt, str::FromStr as _};

use bcrypt::HashParts;
use shared::error::Invalid;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;
use zxcvbn::zxcvbn;

use super::user::Account;

/// bcrypt reads 72 bytes, the last of them a terminator.
const MAX_BYTES: usize = 71;
const MIN_CHARS: usize = 8;
/// zxcvbn's estimate for 8 random characters.
const MIN_GUESSES: u64 = 100_000_000;
/// The highest cost of a stored hash that is verified, equal to the highest configurable cost.
const MAX_COST: u32 = 15;

/// A password in plain text, prepared as an OpaqueString (RFC 8265, section 4.2): keyboards encode
/// the same characters differently. Never printed, and wiped on drop.
pub(crate) struct Password {
    prepared: Zeroizing<String>,
    /// What the client sent, if that differs.
    raw: Option<Zeroizing<String>>,
}

impl Password {
    /// A password to verify. Any text is accepted.
    pub(crate) fn typed(text: String) -> Self {
        let raw = Zeroizing::new(text);
        let prepared = prepare(&raw);
        Self { raw: (raw != prepared).then_some(raw), prepared }
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
        if !password.is_short_enough() {
            return Err("must have at most 71 bytes in NFC".into());
        }
        if password.has_nul() {
            return Err("must not contain NUL".into());
        }
        let username: String = username.chars().take(MAX_BYTES).collect();
        if zxcvbn(text, &[&username]).guesses() < MIN_GUESSES {
            let rule = "is easier to guess than 8 random characters; use a few unrelated words";
            return Err(rule.into());
        }
        Ok(password)
    }

    /// The prepared text: what is hashed.
    pub(crate) fn as_str(&self) -> &str {
        &self.prepared
    }

    /// What the client sent, if that differs. Hashes from before passwords were prepared are of it.
    pub(crate) fn raw(&self) -> Option<&str> {
        self.raw.as_ref().map(|raw| raw.as_str())
    }

    /// Whether the prepared text has a NUL. bcrypt repeats its key, so that "a" and "a\0a" have the
    /// same hash.
    pub(crate) fn has_nul(&self) -> bool {
        self.prepared.contains('\0')
    }

    /// Whether bcrypt reads the prepared text to its end.
    pub(crate) fn is_short_enough(&self) -> bool {
        self.prepared.len() <= MAX_BYTES
    }
}

/// Maps every space (general category Zs) to U+0020 and normalises to NFC.
fn prepare(text: &str) -> Zeroizing<String> {
    // No NFC is longer than three times its text: growing would leave copies in memory.
    let mut prepared = Zeroizing::new(String::with_capacity(3 * text.len()));
    let is_space = |c| {
        matches!(
            c,
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
        )
    };
    prepared.extend(text.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc());
    prepared
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
    /// The stored hash of an account; `None` if it is malformed or its cost is out of range. For
    /// a disabled or deleted user, a hash that no password matches, in the same time.
    pub(crate) fn of(account: &Account) -> Option<Self> {
        let stored = Self::stored(account.password_hash.clone())?;
        let is_enabled = account.user.is_enabled();
        Some(if is_enabled { stored } else { Self::unmatched(stored.cost) })
    }

    /// A well-formed hash of this cost that no password matches.
    pub(crate) fn unmatched(cost: u32) -> Self {
        let zeros = ".".repeat(53);
        Self::stored(format!("$2b${cost:02}${zeros}")).expect("salt and hash have 53 letters")
    }

    /// Parses a hash that another system has made.
    pub(crate) fn import(text: &str) -> Result<Self, Invalid> {
        let is_known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
        // Its parser takes a sign, too.
        let has_cost = matches!(text.as_bytes(), [_, _, _, _, b'0'..=b'9', b'0'..=b'9', b'$', ..]);
        let hash = Self::stored(text.to_owned());
        let hash = hash.filter(|_| is_known && has_cost && text.len() == 60);
        hash.ok_or_else(|| {
            "must be a bcrypt hash with the prefix $2a$, $2b$ or $2y$ and a cost of 4 to 15".into()
        })
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
            ("password", "easier to guess"),
            ("12345678", "easier to guess"),
            ("ada-lovelace", "easier to guess"),
            // The composed and the decomposed form of 5 characters.
            ("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", "at least 8"),
        ] {
            let Err(Invalid(text)) = choose(bad) else { panic!("{bad:?} passed") };
            assert!(text.contains(rule), "{bad:?}: {text}");
        }
    }

    #[test]
    fn eight_random_characters_are_hard_enough_to_guess() {
        for random in ["k7#Qz!mX", "rW3kTz8p", "0Jf&uWpL", "~}:_`|<&", "жщюъэыйх"] {
            assert_eq!(choose(random), Ok(()), "{random}");
        }
    }

    #[test]
    fn the_length_counts_after_normalisation() {
        let decomposed = "quiet otter sails north by the light of e\u{301}e\u{301}e\u{301}e\u{301}";
        let longest = format!("{decomposed}{}", "e\u{301}".repeat(11));
        assert_eq!(Password::typed(longest.clone()).as_str().len(), 70);
        assert!(longest.len() > MAX_BYTES);
        assert_eq!(choose(&longest), Ok(()));
        // A character that no composed form contains.
        let grows =
            format!("{}{}", "quiet otter sails north by the light of ", "\u{958}".repeat(6));
        assert!(grows.len() < MAX_BYTES);
        assert!(choose(&grows).is_err_and(|rule| rule.0.contains("at most 71")));
    }

    #[test]
    fn a_password_is_prepared_as_an_opaque_string() {
        // The examples of RFC 8265, section 4.3, and each mapped space.
        for (typed, prepared) in [
            ("correct horse battery staple", "correct horse battery staple"),
            ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
            ("πßå", "πßå"),
            ("Jack of \u{2666}s", "Jack of \u{2666}s"),
            ("foo\u{1680}bar", "foo bar"),
            ("a\u{30a}", "å"),
            ("\u{212b}", "å".to_uppercase().as_str()),
            ("\u{1100}\u{1161}", "가"),
            ("ﬁ①ｆ", "ﬁ①ｆ"),
            ("a\u{a0}\u{2000}\u{2009}\u{200a}\u{202f}\u{205f}\u{3000}b", "a       b"),
            (" a\tb\u{200b}", " a\tb\u{200b}"),
        ] {
            let password = Password::typed(typed.to_owned());
            assert_eq!(password.as_str(), prepared, "{typed:?}");
            assert_eq!(password.raw(), (typed != prepared).then_some(typed));
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

    #[test]
    fn a_hash_of_another_system_can_be_imported() {
        let rest = "L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u";
        for version in ["2a", "2b", "2y"] {
            for cost in ["04", "10", "15"] {
                assert!(PasswordHash::import(&format!("${version}${cost}${rest}")).is_ok());
            }
        }
        for bad in [
            String::new(),
            "hunter2".to_owned(),
            format!("$2x$12${rest}"),
            format!("$2b$+4${rest}"),
            format!("$2$12${rest}"),
            format!("$2b$16${rest}"),
            format!("$2b$03${rest}"),
            format!("$2b$4${rest}"),
            format!("$2b$12${rest}u"),
            format!("$2b$12${rest} "),
            format!("$2b$12${}", rest.replace('/', "+")),
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub".to_owned(),
        ] {
            assert!(PasswordHash::import(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in any::<String>(), username in any::<String>()) {
            let _ = Password::choose(text.clone(), &username);
            let _ = PasswordHash::import(&text);
            let _ = PasswordHash::stored(text);
        }
    }
}
