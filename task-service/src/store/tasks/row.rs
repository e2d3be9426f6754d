//! The columns of a task: one select list and one row type for all statements that return tasks.

use chrono::{DateTime, Utc};
use shared::{error::Error, etag::Etag};

use crate::domain::{
    due::{Due, TimeZone},
    label::Labels,
    priority::Priority,
    task::{Deletion, Fields, Target, Task, TaskId},
    text,
};

/// A checked query that returns [`TaskRow`]s. The first literal ends in the select list and has the
/// columns that differ between statements. The second goes on after the select list; it names the
/// source of the columns `task`. The arguments follow.
///
/// `: _` has sqlx infer a column's Rust type from its field in [`TaskRow`].
macro_rules! select_tasks {
    ($before:literal, $after:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            $crate::store::tasks::row::TaskRow,
            $before
                + r#"
            task.id as "id: _",
            title as "title: _",
            description as "description: _",
            is_complete as "is_complete: _",
            priority as "priority: _",
            labels as "labels: _",
            due_time as "due_time: _",
            due_time_zone as "due_time_zone: _",
            create_time as "create_time: _",
            complete_time as "complete_time: _"
         "# + $after,
            $($arguments)*
        )
    };
}
pub(super) use select_tasks;

/// A row of a statement that returns tasks. The columns of the task are null if there is none: a
/// first page that is empty or unchanged is a row without a task.
#[derive(sqlx::FromRow)]
pub(super) struct TaskRow {
    /// Which item of the statement the row belongs to, from 1. A list has no items.
    #[sqlx(default)]
    pub(super) position: i64,
    pub(super) revision: Option<i64>,
    /// Of the task before the statement, or of the owner's feed for a first page.
    pub(super) base_revision: i64,
    /// Only of a first page.
    pub(super) server_start: Option<DateTime<Utc>>,
    pub(super) update_time: Option<DateTime<Utc>>,
    pub(super) delete_time: Option<DateTime<Utc>>,
    pub(super) purge_time: Option<DateTime<Utc>>,
    pub(super) id: Option<TaskId>,
    pub(super) title: Option<text::Title>,
    pub(super) description: Option<text::Description>,
    pub(super) is_complete: Option<bool>,
    pub(super) priority: Option<Priority>,
    pub(super) labels: Option<Labels>,
    pub(super) due_time: Option<DateTime<Utc>>,
    pub(super) due_time_zone: Option<TimeZone>,
    pub(super) create_time: Option<DateTime<Utc>>,
    pub(super) complete_time: Option<DateTime<Utc>>,
}

impl TaskRow {
    /// Which item of the statement the row belongs to, from 0.
    pub(super) fn index(&self) -> usize {
        usize::try_from(self.position - 1).expect("positions begin at 1")
    }

    /// Whether the statement has changed the task.
    pub(super) fn is_written(&self) -> bool {
        self.revision != Some(self.base_revision)
    }

    /// # Errors
    /// [`Error::EtagMismatch`] if the target is another version than the task had before the
    /// statement.
    pub(super) fn check_etag(&self, target: Target) -> Result<(), Error> {
        let current = Etag::of(self.base_revision);
        match target.etag {
            Some(etag) if etag != current => Err(Error::EtagMismatch { etag: current.to_string() }),
            _ => Ok(()),
        }
    }

    pub(super) fn into_task(self) -> Option<Task> {
        let deletion = self.delete_time.zip(self.purge_time);
        Some(Task {
            id: self.id?,
            fields: Fields {
                title: self.title?,
                description: self.description?,
                is_complete: self.is_complete?,
                priority: self.priority?,
                labels: self.labels?,
                due: self.due_time.map(|time| Due::from_parts(time, self.due_time_zone)),
            },
            etag: Etag::of(self.revision?),
            create_time: self.create_time?,
            update_time: self.update_time?,
            complete_time: self.complete_time,
            deletion: deletion
                .map(|(delete_time, purge_time)| Deletion { delete_time, purge_time }),
        })
    }
}

/// Each row at the index of its item.
pub(super) fn by_item(rows: Vec<TaskRow>, items: usize) -> Vec<Option<TaskRow>> {
    let mut found: Vec<_> = (0..items).map(|_| None).collect();
    for row in rows {
        let i = row.index();
        found[i] = Some(row);
    }
    found
}
