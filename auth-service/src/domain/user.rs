//! Users and the rules for usernames.

use std::fmt;

use chrono::{DateTime, Utc};
use shared::{error::Invalid, etag::Etag, ids::UserId};
use uuid::Uuid;

use super::{password::PasswordHash, role::Roles};

/// Names that could be mistaken for the operator.
const RESERVED: [&str; 16] = [
    "abuse",
    "admin",
    "administrator",
    "anonymous",
    "help",
    "hostmaster",
    "me",
    "moderator",
    "operator",
    "postmaster",
    "root",
    "security",
    "staff",
    "support",
    "system",
    "webmaster",
];

/// A registered user.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) username: Username,
    pub(crate) create_time: DateTime<Utc>,
    /// Increases with each change, also if the database's clock does not.
    pub(crate) update_time: DateTime<Utc>,
    pub(crate) roles: Roles,
    pub(crate) disabled: bool,
    pub(crate) delete_time: Option<DateTime<Utc>>,
    pub(crate) purge_time: Option<DateTime<Utc>>,
}

impl User {
    /// Whether the user can log in and have sessions.
    pub(crate) fn is_enabled(&self) -> bool {
        !self.disabled && self.delete_time.is_none()
    }

    /// The approximate size of the user in a response, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        200 + self.roles.as_slice().iter().map(String::len).sum::<usize>()
    }

    /// The version of the user: `update_time` is stored in whole microseconds and increases.
    pub(crate) fn etag(&self) -> Etag {
        Etag::of(self.update_time.timestamp_micros())
    }
}

/// A user to create.
#[derive(Clone)]
pub(crate) struct NewUser {
    pub(crate) id: UserId,
    pub(crate) username: Username,
    pub(crate) password_hash: PasswordHash,
    pub(crate) roles: Roles,
    pub(crate) disabled: bool,
    /// Of the request that creates the user.
    pub(crate) request_id: Option<Uuid>,
}

/// A user to change, and the version to which the change applies; `None` for any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) id: UserId,
    pub(crate) etag: Option<Etag>,
}

/// A change of a user. A field that is `None` stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    pub(crate) username: Option<Username>,
    pub(crate) roles: Option<Roles>,
    pub(crate) disabled: Option<bool>,
    /// Whether the user is deleted. Only with this field it is a change that a deleted user admits.
    pub(crate) deleted: Option<bool>,
}

impl Change {
    /// Whether the change can take an administrator away.
    pub(crate) fn can_demote(&self) -> bool {
        let demotes = self.roles.as_ref().is_some_and(|roles| !roles.has_admin());
        demotes || self.disabled == Some(true) || self.deleted == Some(true)
    }
}

/// A user with their stored credentials.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) user: User,
    /// A bcrypt hash, not validated yet.
    pub(crate) password_hash: String,
    /// Increases with everything that ends the user's sessions: a new password, not a new hash of
    /// the same one; disabling, deletion, a change of roles.
    pub(crate) password_version: i32,
}

/// A username: 3 to 32 of `a-z`, `0-9`, `.`, `_`, `-`, alphanumeric at both ends.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Username(String);

impl Username {
    /// Parses a name in any case. Only ASCII is allowed, so that no two names look alike.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let name = text.to_ascii_lowercase();
        if name.contains(char::is_whitespace) {
            return Err("must not contain spaces, also not at its ends".into());
        }
        if !(3..=32).contains(&name.chars().count()) {
            return Err("must have 3 to 32 characters".into());
        }
        if !name.chars().all(is_allowed) {
            return Err("must contain only letters a to z, digits, '.', '_' and '-'".into());
        }
        let ends = [name.chars().next(), name.chars().next_back()];
        if !ends.into_iter().flatten().all(|c| c.is_ascii_alphanumeric()) {
            return Err("must begin and end with a letter or a digit".into());
        }
        Ok(Self(name))
    }

    /// Parses the beginning of a name, in any case. May be empty.
    pub(crate) fn parse_prefix(text: &str) -> Result<String, Invalid> {
        let prefix = text.to_ascii_lowercase();
        if prefix.len() > 32 || !prefix.chars().all(is_allowed) {
            return Err("must be the beginning of a username".into());
        }
        Ok(prefix)
    }

    /// Parses the name of a new user, which must not be reserved.
    pub(crate) fn choose(text: &str) -> Result<Self, Invalid> {
        let name = Self::parse(text)?;
        if RESERVED.contains(&name.0.as_str()) {
            return Err("is reserved; choose another".into());
        }
        Ok(name)
    }
}

fn is_allowed(c: char) -> bool {
    matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_username_satisfies_each_rule() {
        for good in ["ada", "a.b", "ada-1815", "x_y", "0ab", "Ada", &"a".repeat(32)] {
            assert!(Username::choose(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ab",
            &"a".repeat(33),
            "-ada",
            "ada.",
            "_ad",
            "a da",
            "ad\0a",
            "аda",
            "ａda",
            "ada\n",
            "ada@home",
        ] {
            assert!(Username::parse(bad).is_err() && Username::choose(bad).is_err(), "{bad:?}");
        }
        for reserved in ["admin", "ROOT"] {
            assert!(Username::parse(reserved).is_ok() && Username::choose(reserved).is_err());
        }
    }

    #[test]
    fn a_space_is_named_wherever_it_is() {
        for bad in [" ada", "ada ", "a da", "\tada", "ada\u{a0}", "ada\n", "  "] {
            let Err(Invalid(rule)) = Username::parse(bad) else { panic!("{bad:?} passed") };
            assert!(rule.contains("spaces"), "{bad:?}: {rule}");
        }
    }

    proptest! {
        #[test]
        fn a_parsed_username_is_canonical(text in "\\PC{0,40}|[A-Za-z0-9._-]{1,34}") {
            if let Ok(username) = Username::parse(&text) {
                let name = username.to_string();
                prop_assert_eq!(&name, &text.to_lowercase());
                prop_assert!(name.is_ascii() && (3..=32).contains(&name.len()));
                prop_assert_eq!(Username::parse(&name), Ok(username));
            }
        }
    }
}
