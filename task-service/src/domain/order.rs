//! The order of a list (AIP-132), and a place in it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::error::Invalid;
use uuid::Uuid;

use super::{due::Due, task::Task};

/// What a list is ordered by, the most important first; what is equal comes by id, in the direction
/// of the last. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Order(Vec<Key>);

/// A field that a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Key {
    pub(crate) field: Field,
    pub(crate) direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Field {
    CreateTime,
    UpdateTime,
    Due,
    Priority,
    Title,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Direction {
    Ascending,
    Descending,
}

/// The place behind a task in an ordered list: what it has for each key, and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) values: Vec<Value>,
    pub(crate) id: Uuid,
}

/// What a task has for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    #[serde(with = "chrono::serde::ts_microseconds")]
    Time(DateTime<Utc>),
    Number(i16),
    Text(String),
}

impl Order {
    const DEFAULT: Key = Key { field: Field::CreateTime, direction: Direction::Descending };

    /// Whether it is the newest first.
    pub(crate) fn is_default(&self) -> bool {
        self.0 == [Self::DEFAULT]
    }

    /// Reads `order_by`: names of fields separated by commas, each once and perhaps followed by
    /// ` desc`. Empty is the newest first.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Ok(Self(vec![Self::DEFAULT]));
        }
        let mut keys: Vec<Key> = Vec::new();
        for part in text.split(',') {
            let key = Key::parse(part).ok_or(
                "must name create_time, update_time, due, priority or title, separated by commas, \
                 each perhaps followed by \" desc\"",
            )?;
            if keys.iter().any(|other| other.field == key.field) {
                return Err("must name each field once".into());
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// What it is ordered by, the most important first.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.0
    }

    /// The direction in which equal ones come by id.
    pub(crate) fn last_direction(&self) -> Direction {
        self.0.last().expect("it is never empty").direction
    }

    /// The place behind this task.
    pub(crate) fn cursor(&self, task: &Task) -> Cursor {
        Cursor { values: self.0.iter().map(|key| key.value(task)).collect(), id: task.id.uuid() }
    }
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let field = match words.next()? {
            "create_time" => Field::CreateTime,
            "update_time" => Field::UpdateTime,
            "due" => Field::Due,
            "priority" => Field::Priority,
            "title" => Field::Title,
            _ => return None,
        };
        let direction = match words.next() {
            None => Direction::Ascending,
            Some("desc") => Direction::Descending,
            Some(_) => return None,
        };
        words.next().is_none().then_some(Self { field, direction })
    }

    fn value(self, task: &Task) -> Value {
        match self.field {
            Field::CreateTime => Value::Time(task.create_time),
            Field::UpdateTime => Value::Time(task.update_time),
            Field::Due => {
                let time = task.due.as_ref().map(Due::time);
                Value::Time(time.unwrap_or(self.direction.last_time()))
            }
            Field::Priority => Value::Number(task.priority as i16),
            Field::Title => Value::Text(task.title.as_str().to_owned()),
        }
    }
}

impl Direction {
    /// A time behind all that a task can have, in this direction: year 10000, or 1 BC.
    fn last_time(self) -> DateTime<Utc> {
        let seconds = match self {
            Self::Ascending => 253_402_300_800,
            Self::Descending => -62_167_219_200,
        };
        DateTime::from_timestamp_secs(seconds).expect("chrono reaches further")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_aip_132_says() {
        use {Direction::*, Field::*};
        for (text, expected) in [
            ("", &[(CreateTime, Descending)][..]),
            ("  ", &[(CreateTime, Descending)]),
            ("due", &[(Due, Ascending)]),
            (" priority   desc ,title", &[(Priority, Descending), (Title, Ascending)]),
            ("update_time,create_time desc", &[(UpdateTime, Ascending), (CreateTime, Descending)]),
        ] {
            let keys = expected.iter().map(|&(field, direction)| Key { field, direction });
            assert_eq!(Order::parse(text), Ok(Order(keys.collect())), "{text}");
        }
        for bad in [
            "id",
            "Title",
            "title asc",
            "title DESC",
            "title desc desc",
            "title,",
            ",title",
            "title;due",
            "title, title desc",
            "title desc; drop table task.tasks",
        ] {
            assert!(Order::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_is_never_due_comes_last_in_both_directions() {
        let time = |direction: Direction| direction.last_time().to_rfc3339();
        assert_eq!(time(Direction::Ascending), "+10000-01-01T00:00:00+00:00");
        assert_eq!(time(Direction::Descending), "0000-01-01T00:00:00+00:00");
    }
}
