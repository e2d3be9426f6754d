//! `task.tasks`: every statement of a call is scoped to the owner, so that the task of
//! another user is as good as absent. A write takes its revision from the owner's row in
//! `task.feeds`, in the same statement.
//!
//! A statement executes any number of calls, of one owner or several, and has a result for each.
//!
//! Locks are taken in one order: tasks by owner and id, then feeds by owner. So writers never
//! deadlock.

use shared::error::Error;

use crate::domain::task::{self, Task};

mod create;
mod delete;
mod first_pages;
mod get;
mod list;
mod purge;
mod purge_owner;
mod row;
mod update;

pub(crate) use create::{Create, create};
pub(crate) use delete::{Delete, delete, undelete};
pub(crate) use first_pages::{FirstPage, FirstPageRequest, Version, first_pages};
pub(crate) use get::{Get, get};
pub(crate) use list::{Listed, list};
pub(crate) use purge::purge;
pub(crate) use purge_owner::purge_owner;
pub(crate) use update::{Update, update};

/// The results of a call. If all are tasks that together exceed the limit of an answer, the
/// statement has written nothing, and the call fails as a whole.
fn fitting(results: Vec<Result<Task, Error>>) -> Result<Vec<Result<Task, Error>>, Error> {
    let is_good = results.iter().all(Result::is_ok);
    let fit = task::fit_one_answer(results.iter().flatten().map(Task::bytes));
    if is_good && !fit { Err(Error::MessageTooLarge) } else { Ok(results) }
}
