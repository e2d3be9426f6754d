//! Tasks, and the changes to them.

use std::fmt;

use chrono::{DateTime, Utc};
use shared::{error::Invalid, etag::Etag, ids};
use uuid::{NoContext, Timestamp, Uuid};

use super::{due::Due, label::Labels, priority::Priority, text};

/// A stored task. Its owner is not part of it: functions take the owner as an argument.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) fields: Fields,
    pub(crate) etag: Etag,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Set exactly while the task is complete.
    pub(crate) complete_time: Option<DateTime<Utc>>,
    pub(crate) deletion: Option<Deletion>,
}

/// The fields that a client sets.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    pub(crate) title: text::Title,
    pub(crate) description: text::Description,
    pub(crate) is_complete: bool,
    pub(crate) priority: Priority,
    pub(crate) labels: Labels,
    pub(crate) due: Option<Due>,
}

/// The fields to set. `None` leaves a field unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TaskPatch {
    pub(crate) title: Option<text::Title>,
    pub(crate) description: Option<text::Description>,
    pub(crate) is_complete: Option<bool>,
    pub(crate) priority: Option<Priority>,
    pub(crate) labels: Option<Labels>,
    /// `Some(None)` clears it.
    #[expect(clippy::option_option, reason = "whether to set it, and to what")]
    pub(crate) due: Option<Option<Due>>,
}

/// When a task was deleted, and when it will be purged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) delete_time: DateTime<Utc>,
    pub(crate) purge_time: DateTime<Utc>,
}

/// The most that the tasks of one answer have together, by [`Fields::bytes`]. By default a gRPC
/// client accepts 4 MiB, and the smaller fields need room, too.
pub(crate) const MAX_BATCH_BYTES: usize = 4_000_000;

/// What a task counts beside [`Fields::bytes`]: its small fields and its places in indexes. Without
/// it, the quota would not limit how many deleted tasks a user has.
pub(crate) const OVERHEAD_BYTES: i32 = 1024;

/// Whether an answer with tasks of these sizes is within [`MAX_BATCH_BYTES`].
pub(crate) fn fit_one_answer(bytes: impl Iterator<Item = usize>) -> bool {
    bytes.sum::<usize>() <= MAX_BATCH_BYTES
}

impl Task {
    /// The approximate size in an answer.
    pub(crate) fn bytes(&self) -> usize {
        self.fields.bytes()
    }
}

impl Fields {
    /// The approximate size in an answer: that of the fields without a small limit.
    pub(crate) fn bytes(&self) -> usize {
        self.title.as_str().len() + self.description.as_str().len() + self.labels.bytes()
    }

    /// What the task counts against the quota of bytes.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.bytes() + OVERHEAD_BYTES as usize
    }
}

impl TaskPatch {
    /// As [`Fields::bytes`], of what it sets.
    pub(crate) fn bytes(&self) -> usize {
        let title = self.title.as_ref().map_or(0, |title| title.as_str().len());
        let description = self.description.as_ref().map_or(0, |text| text.as_str().len());
        title + description + self.labels.as_ref().map_or(0, Labels::bytes)
    }
}

/// The task to change, and the version that it must have, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: TaskId,
    pub(crate) etag: Option<Etag>,
}

/// The id of a task, unique among the tasks of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub(crate) struct TaskId(Uuid);

impl TaskId {
    /// A new UUIDv7. Later ids sort later, so that inserts stay local in an index.
    pub(crate) fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// As [`generate`](Self::generate), with the time of a creation since 1970.
    pub(crate) fn generate_at(time: DateTime<Utc>) -> Self {
        let seconds = time.timestamp().try_into().expect("it is since 1970");
        let time = Timestamp::from_unix(NoContext, seconds, time.timestamp_subsec_nanos());
        Self(Uuid::new_v7(time))
    }

    /// Reads an id in any spelling.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        ids::parse(text).map(Self)
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
