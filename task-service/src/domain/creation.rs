//! Creates: what one did, and how a repeated one is known.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    etag::Etag,
    task::{NewTask, Task, TaskId},
};

/// What a create did. The tasks follow from it and from what was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Creation {
    /// In the order in which they were asked for.
    pub(crate) task_ids: Vec<TaskId>,
    /// Of the last task; those before it have the revisions before it.
    pub(crate) last_revision: i64,
    pub(crate) create_time: DateTime<Utc>,
}

impl Creation {
    /// As if it had been done. The ids and revisions are nobody's.
    pub(crate) fn tried(count: usize, now: DateTime<Utc>) -> Self {
        let task_ids = (0..count).map(|_| TaskId::from(Uuid::nil())).collect();
        Self { task_ids, last_revision: 0, create_time: now }
    }

    /// The tasks as they were created.
    pub(crate) fn tasks(self, new: &[NewTask]) -> Vec<Task> {
        let first = self.last_revision + 1 - i64::try_from(new.len()).expect("a batch is small");
        let created = new.iter().cloned().zip(self.task_ids).zip(first..);
        let task = |((new, id), revision): ((NewTask, _), _)| {
            new.created(id, Etag::of(revision), self.create_time)
        };
        created.map(task).collect()
    }
}

/// How a create that is repeated is known (AIP-155).
#[derive(Clone, Debug)]
pub(crate) struct RequestKey {
    /// The RPC.
    pub(crate) method: &'static str,
    /// Made up by the client.
    pub(crate) id: Uuid,
    /// SHA-256 of what is asked for.
    pub(crate) fingerprint: [u8; 32],
}
