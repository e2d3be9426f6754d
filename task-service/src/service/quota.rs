//! The quota of bytes, for owners whose bytes were never counted.

use shared::{error::Error, ids::UserId};

use super::Tasks;
use crate::{domain::creation::NewTask, store::feeds};

impl Tasks {
    /// Runs a write. If the owner's bytes were never counted, a write that needs them is rejected:
    /// this counts them and runs the write once more.
    pub(super) async fn within_quota<T, F>(
        &self,
        owner: UserId,
        write: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match write().await {
            Err(Error::StorageQuotaExceeded { .. }) => {
                let mut db = self.admission.admit(owner).await?;
                let counted = feeds::count_bytes(&mut db, owner).await;
                db.end(counted)?;
                // Even if nothing was left to count: another call may have counted meanwhile.
                write().await
            }
            result => result,
        }
    }

    /// Checks that the owner can have these tasks, too.
    pub(super) async fn check_quota(&self, owner: UserId, tasks: &[NewTask]) -> Result<(), Error> {
        let mut db = self.admission.admit(owner).await?;
        let usage = feeds::usage(&mut db, owner).await;
        let usage = db.end(usage)?;
        let bytes: usize = tasks.iter().map(|task| task.fields.stored_bytes()).sum();
        let exceeds =
            |used: i64, more: usize, limit: u64| used.cast_unsigned() + more as u64 > limit;
        if exceeds(usage.task_count, tasks.len(), self.quota.tasks.into()) {
            Err(self.quota.of_tasks())
        } else if exceeds(usage.task_bytes, bytes, self.quota.bytes) {
            Err(self.quota.of_bytes())
        } else {
            Ok(())
        }
    }
}
