//! The order of a list (AIP-132), and a position in it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::error::Invalid;
use uuid::Uuid;

use super::{due::Due, task::Task};

/// The sort keys of a list, the most significant first. Ties are broken by id, in the direction of
/// the last key. Never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Order(Vec<Key>);

/// A field to sort by.
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

/// The position after a task in an ordered list: the task's value for each key, and its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    pub(crate) values: Vec<Value>,
    pub(crate) id: Uuid,
}

/// The value of a task for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    #[serde(with = "chrono::serde::ts_microseconds")]
    Time(DateTime<Utc>),
    Number(i16),
    Text(String),
}

impl Order {
    const DEFAULT: Key = Key { field: Field::CreateTime, direction: Direction::Descending };

    /// Whether the newest tasks come first.
    pub(crate) fn is_default(&self) -> bool {
        self.0 == [Self::DEFAULT]
    }

    /// Reads `order_by`: field names separated by commas, each at most once and optionally followed
    /// by ` desc`. Empty means newest first.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        if text.trim().is_empty() {
            return Ok(Self(vec![Self::DEFAULT]));
        }
        let mut keys: Vec<Key> = Vec::new();
        for part in text.split(',') {
            let key = Key::parse(part).ok_or(
                "must be a comma-separated list of create_time, update_time, due, priority and \
                 title, each optionally followed by \" desc\"",
            )?;
            if keys.iter().any(|other| other.field == key.field) {
                return Err("must name each field at most once".into());
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// The sort keys, the most significant first.
    pub(crate) fn keys(&self) -> &[Key] {
        &self.0
    }

    /// The direction in which ids break ties.
    pub(crate) fn last_direction(&self) -> Direction {
        self.0.last().expect("an order has at least one key").direction
    }

    /// The position after this task.
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
                let time = task.fields.due.as_ref().map(Due::time);
                Value::Time(time.unwrap_or(self.direction.last_time()))
            }
            Field::Priority => Value::Number(task.fields.priority as i16),
            Field::Title => Value::Text(task.fields.title.as_str().to_owned()),
        }
    }
}

impl Direction {
    /// A time after every due time in this direction: year 10000, or 1 BC.
    fn last_time(self) -> DateTime<Utc> {
        let seconds = match self {
            Self::Ascending => 253_402_300_800,
            Self::Descending => -62_167_219_200,
        };
        DateTime::from_timestamp_secs(seconds).expect("chrono's range is larger")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_by_follows_aip_132() {
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
    fn a_task_without_a_due_time_sorts_last_in_both_directions() {
        let time = |direction: Direction| direction.last_time().to_rfc3339();
        assert_eq!(time(Direction::Ascending), "+10000-01-01T00:00:00+00:00");
        assert_eq!(time(Direction::Descending), "0000-01-01T00:00:00+00:00");
    }
}
