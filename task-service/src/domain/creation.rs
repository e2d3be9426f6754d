//! Creates: what to create, what a create did, and how a retry is recognized.

use chrono::{DateTime, Utc};
use shared::{error::FieldViolations, etag::Etag};
use uuid::Uuid;

use super::task::{Fields, Task, TaskId};

/// A task to create. One that another system has created can bring its times.
#[derive(Clone, Debug)]
pub(crate) struct NewTask {
    pub(crate) fields: Fields,
    pub(crate) create_time: Option<DateTime<Utc>>,
    /// Only of a task that is complete.
    pub(crate) complete_time: Option<DateTime<Utc>>,
}

impl NewTask {
    /// A new id. Its time is that of the creation, so that ids are in the order of creation.
    pub(crate) fn generate_id(&self) -> TaskId {
        self.create_time.map_or_else(TaskId::generate, TaskId::generate_at)
    }

    /// The later one of the times that it brings.
    pub(crate) fn latest_time(&self) -> Option<DateTime<Utc>> {
        self.create_time.max(self.complete_time)
    }

    /// The task as it was created at this time.
    fn created(self, id: TaskId, etag: Etag, now: DateTime<Utc>) -> Task {
        let completed = self.fields.is_complete;
        Task {
            id,
            fields: self.fields,
            etag,
            create_time: self.create_time.unwrap_or(now),
            update_time: now,
            complete_time: completed.then_some(self.complete_time.unwrap_or(now)),
            deletion: None,
        }
    }
}

/// Rejects times in the future of tasks in a batch.
pub(crate) fn check_past(tasks: &[NewTask], now: DateTime<Utc>) -> Result<(), FieldViolations> {
    let mut bad = FieldViolations::new();
    for (i, task) in tasks.iter().enumerate() {
        for (field, time) in
            [("create_time", task.create_time), ("complete_time", task.complete_time)]
        {
            if time > Some(now) {
                let field = format!("requests[{i}].task.{field}");
                bad.check::<()>(&field, Err("must not be in the future".into()));
            }
        }
    }
    bad.or(Some(()))
}

/// What a create did. Together with the tasks of the request, it gives the tasks created.
#[derive(Clone, Debug)]
pub(crate) struct Creation {
    /// In the order of the request.
    pub(crate) task_ids: Vec<TaskId>,
    /// Of the last task. The tasks before it have the revisions before it.
    pub(crate) last_revision: i64,
    /// The database's time, also of tasks that have brought another one.
    pub(crate) create_time: DateTime<Utc>,
}

impl Creation {
    /// For a request that is only validated. The ids and revisions are placeholders.
    pub(crate) fn validated(count: usize, now: DateTime<Utc>) -> Self {
        let task_ids = (0..count).map(|_| TaskId::from(Uuid::nil())).collect();
        Self { task_ids, last_revision: 0, create_time: now }
    }

    /// The tasks as they were created.
    pub(crate) fn tasks(self, tasks: &[NewTask]) -> Vec<Task> {
        let first = self.last_revision + 1 - i64::try_from(tasks.len()).expect("a batch is small");
        let created = tasks.iter().cloned().zip(self.task_ids).zip(first..);
        let task = |((task, id), revision): ((NewTask, _), _)| {
            task.created(id, Etag::of(revision), self.create_time)
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
