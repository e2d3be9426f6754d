//! Tasks and what they may hold.

use std::fmt;

use chrono::{DateTime, Utc};
use shared::{
    error::Invalid,
    page::{Cursor, Item},
};
use uuid::Uuid;

/// Something to be done. Whose it is stands beside it wherever it goes.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) title: Title,
    pub(crate) description: Description,
    pub(crate) is_complete: bool,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Set exactly while the task is complete.
    pub(crate) complete_time: Option<DateTime<Utc>>,
}

impl Item for Task {
    fn cursor(&self) -> Cursor {
        Cursor { create_time: self.create_time, id: self.id.0 }
    }

    fn bytes(&self) -> usize {
        self.title.0.len() + self.description.0.len()
    }
}

/// What the client says of a new task.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) title: Title,
    pub(crate) description: Description,
    pub(crate) is_complete: bool,
}

impl NewTask {
    /// The task that is created now.
    pub(crate) fn create(self, now: DateTime<Utc>) -> Task {
        Task {
            id: TaskId::generate(),
            title: self.title,
            description: self.description,
            is_complete: self.is_complete,
            create_time: now,
            update_time: now,
            complete_time: self.is_complete.then_some(now),
        }
    }
}

/// The fields to set; the others stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskPatch {
    pub(crate) title: Option<Title>,
    pub(crate) description: Option<Description>,
    pub(crate) is_complete: Option<bool>,
}

/// The id of a task, unique among its owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct TaskId(Uuid);

impl TaskId {
    /// A new UUIDv7: later ones sort later, so that inserts stay local in an index.
    fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Accepts what `Display` writes: a lower-case hyphenated UUID.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let id = Uuid::try_parse(text).ok().map(Self).filter(|id| id.to_string() == text);
        id.ok_or_else(|| "must be the id of a task: a lower-case UUID with hyphens".into())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A title: 1 to 200 code points, no control characters.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Title(String);

impl Title {
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        if !(1..=200).contains(&text.chars().count()) {
            return Err("must have 1 to 200 characters".into());
        }
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters".into());
        }
        Ok(Self(text))
    }
}

impl From<Title> for String {
    fn from(Title(text): Title) -> Self {
        text
    }
}

/// A description: up to 10,000 code points; of the control characters only newline and tab.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct Description(String);

impl Description {
    pub(crate) fn parse(text: String) -> Result<Self, Invalid> {
        if text.chars().count() > 10_000 {
            return Err("must have at most 10,000 characters".into());
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err("must not contain control characters but newline and tab".into());
        }
        Ok(Self(text))
    }
}

impl From<Description> for String {
    fn from(Description(text): Description) -> Self {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_title_follows_each_rule() {
        for good in ["x", " ", "Käse 🧀 für 日本", &"🧀".repeat(200)] {
            assert!(Title::parse(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "a\tb", "a\0b", "\u{7f}", "\u{85}", &"x".repeat(201)] {
            assert!(Title::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_description_follows_each_rule() {
        for good in ["", "two\n\tlines", &"é".repeat(10_000)] {
            assert!(Description::parse(good.to_owned()).is_ok(), "{good}");
        }
        for bad in ["a\0b", "a\rb", "\u{1b}[31m", &"x".repeat(10_001)] {
            assert!(Description::parse(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_task_id_has_one_spelling() {
        let id = TaskId::generate().to_string();
        assert!(TaskId::parse(&id).is_ok());
        let (upper, simple) = (id.to_uppercase(), id.replace('-', ""));
        for bad in ["", "1", &upper, &simple, &format!("{{{id}}}"), &format!(" {id}")] {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_is_kept_byte_for_byte(text in any::<String>()) {
            if let Ok(title) = Title::parse(text.clone()) {
                prop_assert_eq!(&String::from(title), &text);
            }
            if let Ok(description) = Description::parse(text.clone()) {
                prop_assert_eq!(&String::from(description), &text);
            }
            if let Ok(id) = TaskId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
