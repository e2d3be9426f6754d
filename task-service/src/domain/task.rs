//! Tasks and what is done to them.

use std::fmt;

use chrono::{DateTime, Utc};
use shared::error::Invalid;
use uuid::Uuid;

use super::{
    due::Due,
    etag::Etag,
    label::Labels,
    priority::Priority,
    text::{Description, Title},
};

/// Something to be done. Whose it is stands beside it wherever it goes.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) title: Title,
    pub(crate) description: Description,
    pub(crate) is_complete: bool,
    pub(crate) priority: Priority,
    pub(crate) labels: Labels,
    pub(crate) due: Option<Due>,
    pub(crate) etag: Etag,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Set exactly while the task is complete.
    pub(crate) complete_time: Option<DateTime<Utc>>,
    pub(crate) deletion: Option<Deletion>,
}

impl Task {
    /// About how many bytes it takes in an answer.
    pub(crate) fn bytes(&self) -> usize {
        self.title.as_str().len() + self.description.as_str().len() + self.labels.bytes()
    }
}

/// What the tasks of a batch may have together, by [`Task::bytes`]: gRPC clients accept 4 MiB
/// unless told otherwise, and the smaller fields need room, too.
pub(crate) const MAX_BATCH_BYTES: usize = 4_000_000;

/// Whether tasks of these sizes can be answered with at once.
pub(crate) fn fit_one_answer(bytes: impl Iterator<Item = usize>) -> bool {
    bytes.sum::<usize>() <= MAX_BATCH_BYTES
}

/// When a task was deleted, and when it may be removed for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) delete_time: DateTime<Utc>,
    pub(crate) purge_time: DateTime<Utc>,
}

/// What the client says of a new task.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) title: Title,
    pub(crate) description: Description,
    pub(crate) is_complete: bool,
    pub(crate) priority: Priority,
    pub(crate) labels: Labels,
    pub(crate) due: Option<Due>,
}

impl NewTask {
    /// About how many bytes it takes in an answer.
    pub(crate) fn bytes(&self) -> usize {
        self.title.as_str().len() + self.description.as_str().len() + self.labels.bytes()
    }

    /// The task that was created so.
    pub(crate) fn created(self, id: TaskId, etag: Etag, create_time: DateTime<Utc>) -> Task {
        Task {
            id,
            title: self.title,
            description: self.description,
            is_complete: self.is_complete,
            priority: self.priority,
            labels: self.labels,
            due: self.due,
            etag,
            create_time,
            update_time: create_time,
            complete_time: self.is_complete.then_some(create_time),
            deletion: None,
        }
    }
}

/// The fields to set; the others stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskPatch {
    pub(crate) title: Option<Title>,
    pub(crate) description: Option<Description>,
    pub(crate) is_complete: Option<bool>,
    pub(crate) priority: Option<Priority>,
    pub(crate) labels: Option<Labels>,
    /// `Some(None)` takes the due time away.
    #[expect(clippy::option_option, reason = "whether to set it, and to what")]
    pub(crate) due: Option<Option<Due>>,
}

impl TaskPatch {
    /// About how many bytes it sets.
    pub(crate) fn bytes(&self) -> usize {
        let title = self.title.as_ref().map_or(0, |title| title.as_str().len());
        let description = self.description.as_ref().map_or(0, |text| text.as_str().len());
        title + description + self.labels.as_ref().map_or(0, Labels::bytes)
    }
}

/// Which task is meant, and in which version if that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: TaskId,
    pub(crate) etag: Option<Etag>,
}

/// The id of a task, unique among its owner's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct TaskId(Uuid);

impl TaskId {
    /// A new UUIDv7: later ones sort later, so that inserts stay local in an index.
    pub(crate) fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// Accepts what `Display` writes: a lower-case hyphenated UUID.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let id = Uuid::try_parse(text).ok().map(Self).filter(|id| id.to_string() == text);
        id.ok_or_else(|| "must be the id of a task: a lower-case UUID with hyphens".into())
    }

    pub(crate) fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for TaskId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_id_has_one_spelling() {
        let id = TaskId::generate().to_string();
        assert!(TaskId::parse(&id).is_ok());
        let (upper, simple) = (id.to_uppercase(), id.replace('-', ""));
        for bad in ["", "1", &upper, &simple, &format!("{{{id}}}"), &format!(" {id}")] {
            assert!(TaskId::parse(bad).is_err(), "{bad}");
        }
    }
}
