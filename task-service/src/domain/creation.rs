//! Idempotent creates: what a create did, and how a retry is recognized.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    etag::Etag,
    task::{Fields, Task, TaskId},
};

/// What a create did. Together with the fields of the request, it gives the tasks created.
#[derive(Clone, Debug)]
pub(crate) struct Creation {
    /// In the order of the request.
    pub(crate) task_ids: Vec<TaskId>,
    /// Of the last task. The tasks before it have the revisions before it.
    pub(crate) last_revision: i64,
    pub(crate) create_time: DateTime<Utc>,
}

impl Creation {
    /// For a request that is only validated. The ids and revisions are placeholders.
    pub(crate) fn validated(count: usize, now: DateTime<Utc>) -> Self {
        let task_ids = (0..count).map(|_| TaskId::from(Uuid::nil())).collect();
        Self { task_ids, last_revision: 0, create_time: now }
    }

    /// The tasks as they were created with these fields.
    pub(crate) fn tasks(self, fields: &[Fields]) -> Vec<Task> {
        let first = self.last_revision + 1 - i64::try_from(fields.len()).expect("a batch is small");
        let created = fields.iter().cloned().zip(self.task_ids).zip(first..);
        let task = |((fields, id), revision)| {
            Task::created(fields, id, Etag::of(revision), self.create_time)
        };
        created.map(task).collect()
    }
}

/// Recognizes a retry of a create (AIP-155).
#[derive(Clone, Debug)]
pub(crate) struct RequestKey {
    /// The RPC.
    pub(crate) method: &'static str,
    /// Chosen by the client.
    pub(crate) id: Uuid,
    /// SHA-256 of the fields of the tasks to create.
    pub(crate) fingerprint: [u8; 32],
}
