//! Lists of users: which, in which order (AIP-132), and a position in them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::error::Invalid;
use uuid::Uuid;

use super::{
    role,
    user::{User, Username},
};

/// Which users to list, and in which order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct UserList {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
    pub(crate) show_deleted: bool,
}

/// The conditions that a user must meet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Filter {
    /// In lower case. Empty for every username.
    pub(crate) username_prefix: String,
    pub(crate) role: Option<String>,
    pub(crate) disabled: Option<bool>,
    pub(crate) create_time_after: Option<DateTime<Utc>>,
    pub(crate) create_time_before: Option<DateTime<Utc>>,
}

impl Filter {
    /// Reads the beginning of a username, in any case.
    pub(crate) fn parse_prefix(text: &str) -> Result<String, Invalid> {
        Username::parse_prefix(text)
    }

    /// Reads the role that the users have; empty for any.
    pub(crate) fn parse_role(text: String) -> Result<Option<String>, Invalid> {
        if text.is_empty() {
            return Ok(None);
        }
        role::check(&text).map(|()| Some(text))
    }
}

/// The order of a list. Ties are broken by id, in the same direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Order {
    pub(crate) field: Field,
    pub(crate) is_descending: bool,
}

/// A field to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Field {
    CreateTime,
    Username,
}

/// The position after a user in an ordered list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserCursor {
    pub(crate) value: Value,
    /// Breaks ties.
    pub(crate) id: Uuid,
}

/// The value of a user in the field to sort by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    #[serde(with = "chrono::serde::ts_microseconds")]
    Time(DateTime<Utc>),
    Text(String),
}

impl Order {
    /// Reads `order_by`. Empty means newest first.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let (field, is_descending) = match words[..] {
            [] | ["create_time", "desc"] => (Field::CreateTime, true),
            ["create_time"] => (Field::CreateTime, false),
            ["username"] => (Field::Username, false),
            ["username", "desc"] => (Field::Username, true),
            _ => return Err("must be create_time or username, optionally with \" desc\"".into()),
        };
        Ok(Self { field, is_descending })
    }

    /// The position after this user.
    pub(crate) fn cursor(self, user: &User) -> UserCursor {
        let value = match self.field {
            Field::CreateTime => Value::Time(user.create_time),
            Field::Username => Value::Text(user.username.to_string()),
        };
        UserCursor { value, id: user.id.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_field_and_a_direction() {
        for (text, field, is_descending) in [
            ("", Field::CreateTime, true),
            (" create_time  desc ", Field::CreateTime, true),
            ("create_time", Field::CreateTime, false),
            ("username", Field::Username, false),
            ("username desc", Field::Username, true),
        ] {
            assert_eq!(Order::parse(text), Ok(Order { field, is_descending }), "{text}");
        }
        for bad in ["id", "username asc", "username, create_time", "Username", "desc"] {
            assert!(Order::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_filter_takes_what_a_username_or_a_role_can_be() {
        assert_eq!(Filter::parse_prefix("Ad"), Ok("ad".to_owned()));
        assert_eq!(Filter::parse_prefix(""), Ok(String::new()));
        for bad in ["a b", "%", "ä", "a\0", &"a".repeat(33)] {
            assert!(Filter::parse_prefix(bad).is_err(), "{bad}");
        }
        assert_eq!(Filter::parse_role(String::new()), Ok(None));
        assert_eq!(Filter::parse_role("editor".to_owned()), Ok(Some("editor".to_owned())));
        assert!(Filter::parse_role("Editor".to_owned()).is_err());
    }
}
