//! What the tasks of a user may amount to.

use shared::error::Error;

/// The most that each user can have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    /// Tasks without deleted ones.
    pub(crate) tasks: u32,
    /// By [`Fields::stored_bytes`], deleted tasks included until they are purged.
    ///
    /// [`Fields::stored_bytes`]: super::task::Fields::stored_bytes
    pub(crate) bytes: u64,
}

impl Quota {
    /// The error of a call that would exceed the quota of tasks.
    pub(crate) fn of_tasks(self) -> Error {
        Error::TaskQuotaExceeded { limit: self.tasks }
    }

    /// The error of a call that would exceed the quota of bytes.
    pub(crate) fn of_bytes(self) -> Error {
        Error::StorageQuotaExceeded { limit: self.bytes }
    }
}
