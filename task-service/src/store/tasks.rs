//! `task.tasks`: every statement of a call is scoped to the owner, so that a task of another is not
//! there. A write takes its next revision from the owner's row in `task.feeds`, in the same
//! statement.
//!
//! A statement carries any number of calls, of one owner or several, and has an outcome for each.
//!
//! Locks are taken in one order: tasks by owner and id, then feeds by owner. So writers never
//! deadlock.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use crate::domain::{
    due::{Due, TimeZone},
    etag::Etag,
    label::Labels,
    priority::Priority,
    task::{self, Deletion, Target, Task, TaskId},
    text::{Description, Title},
};

mod delete;
mod first_pages;
mod insert;
mod list;
mod purge;
mod update;

pub(crate) use delete::{Delete, delete, undelete};
pub(crate) use first_pages::{FirstPage, Version, Wanted, first_pages};
pub(crate) use insert::{Insert, insert};
pub(crate) use list::list;
pub(crate) use purge::purge;
pub(crate) use update::{Update, update};

/// A task as its columns have it.
#[derive(sqlx::FromRow)]
struct Row {
    /// Which of the things asked for it belongs to, from 1.
    position: i64,
    id: TaskId,
    title: Title,
    description: Description,
    is_complete: bool,
    priority: Priority,
    labels: Labels,
    due_time: Option<DateTime<Utc>>,
    due_time_zone: Option<TimeZone>,
    revision: i64,
    /// Before the statement: the same where it wrote nothing.
    previous_revision: i64,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
    complete_time: Option<DateTime<Utc>>,
    delete_time: Option<DateTime<Utc>>,
    purge_time: Option<DateTime<Utc>>,
}

impl Row {
    /// Which of the things asked for it belongs to, from 0.
    fn index(&self) -> usize {
        usize::try_from(self.position - 1).expect("positions begin at 1")
    }

    fn is_written(&self) -> bool {
        self.revision != self.previous_revision
    }

    /// # Errors
    /// [`Error::EtagMismatch`] if this version, from before the statement, is not the one meant.
    fn check_etag(&self, target: Target) -> Result<(), Error> {
        let current = Etag::of(self.previous_revision);
        match target.etag {
            Some(etag) if etag != current => Err(Error::EtagMismatch { etag: current.to_string() }),
            _ => Ok(()),
        }
    }
}

impl From<Row> for Task {
    fn from(row: Row) -> Self {
        let deletion = row.delete_time.zip(row.purge_time);
        Self {
            id: row.id,
            title: row.title,
            description: row.description,
            is_complete: row.is_complete,
            priority: row.priority,
            labels: row.labels,
            due: row.due_time.map(|time| Due::from_parts(time, row.due_time_zone)),
            etag: Etag::of(row.revision),
            create_time: row.create_time,
            update_time: row.update_time,
            complete_time: row.complete_time,
            deletion: deletion
                .map(|(delete_time, purge_time)| Deletion { delete_time, purge_time }),
        }
    }
}

/// The tasks of these owners and ids, in their order; deleted ones, too. [`Error::TaskNotFound`]
/// stands for each that the owner does not have.
pub(crate) async fn get(
    db: &mut PgConnection,
    wanted: &[(UserId, TaskId)],
) -> Result<Vec<Result<Task, Error>>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select
            position as "position!",
            task.id as "id: TaskId",
            title as "title: Title",
            description as "description: Description",
            is_complete,
            priority as "priority: Priority",
            labels as "labels: Labels",
            due_time,
            due_time_zone as "due_time_zone: TimeZone",
            revision,
            revision as previous_revision,
            create_time,
            update_time,
            complete_time,
            delete_time,
            purge_time
         from unnest($1::uuid[], $2::uuid[]) with ordinality as item (owner_id, id, position)
         cross join lateral (
            select *
            from task.tasks
            where owner_id = item.owner_id and id = item.id
            offset 0
         ) as task"#,
        &wanted.iter().map(|(owner, _)| owner.0).collect::<Vec<_>>(),
        wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>() as _,
    );
    let mut outcomes: Vec<_> = wanted.iter().map(|_| Err(Error::TaskNotFound)).collect();
    for row in rows.fetch_all(db).await? {
        let i = row.index();
        outcomes[i] = Ok(row.into());
    }
    Ok(outcomes)
}

/// The rows of a statement, each where its item stands.
fn by_item(rows: Vec<Row>, items: usize) -> Vec<Option<Row>> {
    let mut found: Vec<_> = (0..items).map(|_| None).collect();
    for row in rows {
        let i = row.index();
        found[i] = Some(row);
    }
    found
}

/// The outcomes of a call, unless all are good and too large together: then nothing was written.
fn fitting(outcomes: Vec<Result<Task, Error>>) -> Result<Vec<Result<Task, Error>>, Error> {
    let is_good = outcomes.iter().all(Result::is_ok);
    let fit = task::fit_one_answer(outcomes.iter().flatten().map(Task::bytes));
    if is_good && !fit { Err(Error::MessageTooLarge) } else { Ok(outcomes) }
}
