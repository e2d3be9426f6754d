//! Deletes tasks and brings them back.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::PgPool;

use super::{Row, by_id, fitting};
use crate::domain::{
    due::TimeZone,
    label::Labels,
    priority::Priority,
    task::{Deletion, MAX_BATCH_BYTES, Target, Task, TaskId},
    text::{Description, Title},
};

/// Deletes all of these tasks or none.
///
/// Each has its outcome: as it is now, or
/// - [`Error::TaskNotFound`] if the owner does not have it,
/// - [`Error::TaskDeleted`] if it was deleted before,
/// - [`Error::EtagMismatch`] if it is of another version than the target.
///
/// # Errors
/// [`Error::MessageTooLarge`] if they would not fit one answer.
pub(crate) async fn delete(
    db: &PgPool,
    owner: UserId,
    targets: &[Target],
    deletion: Deletion,
) -> Result<Vec<Result<Task, Error>>, Error> {
    let change = Change { deletion: Some(deletion), count: -1, quota: i32::MAX };
    let rows = set_deletion(db, owner, targets, &change, deletion.delete_time).await?;
    let mut rows = by_id(rows);
    let outcome = |target: &Target| {
        let row = rows.remove(&target.id).ok_or(Error::TaskNotFound)?;
        if row.delete_time.is_some() && !row.is_written() {
            return Err(Error::TaskDeleted);
        }
        row.check_etag(*target)?;
        Ok(row.into())
    };
    fitting(targets.iter().map(outcome).collect())
}

/// Brings a deleted task back.
///
/// # Errors
/// - [`Error::TaskNotFound`] if the owner does not have it.
/// - [`Error::TaskNotDeleted`] if it is not deleted.
/// - [`Error::TaskQuotaExceeded`] if the owner would have more than `quota` tasks.
pub(crate) async fn undelete(
    db: &PgPool,
    owner: UserId,
    id: TaskId,
    quota: u32,
    now: DateTime<Utc>,
) -> Result<Task, Error> {
    let change = Change { deletion: None, count: 1, quota: quota.try_into().unwrap_or(i32::MAX) };
    let rows = set_deletion(db, owner, &[Target { id, etag: None }], &change, now).await?;
    let row = rows.into_iter().next().ok_or(Error::TaskNotFound)?;
    match row.delete_time {
        None if row.is_written() => Ok(row.into()),
        None => Err(Error::TaskNotDeleted),
        Some(_) => Err(Error::TaskQuotaExceeded { limit: quota }),
    }
}

/// What becomes of each task, and of the number of tasks for each.
struct Change {
    deletion: Option<Deletion>,
    count: i32,
    quota: i32,
}

/// Changes whether these tasks are deleted, if all are there, none is so already, all etags fit and
/// the owner would not have too many.
async fn set_deletion(
    db: &PgPool,
    owner: UserId,
    targets: &[Target],
    change: &Change,
    now: DateTime<Utc>,
) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"with item as (
            select *
            from unnest($2::uuid[], $3::bigint[])
                with ordinality as item (id, revision, position)
         ), found as materialized (
            select *
            from task.tasks
            where owner_id = $1 and id = any($2)
            order by id
            for update
         ), ready as (
            select
                found.id,
                item.position,
                octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, '')) as bytes
            from item
            join found using (id)
            where (found.delete_time is null) = ($4::timestamptz is not null)
                and coalesce(item.revision = found.revision, true)
         ), feed as (
            update task.feeds as feed
            set revision = feed.revision + batch.size,
                task_count = feed.task_count + $6 * batch.size
            from (select count(*)::integer as size, sum(bytes) as bytes from ready) as batch
            where feed.owner_id = $1
                and batch.size = cardinality($2::uuid[])
                and batch.bytes <= $9
                -- Fewer are always allowed.
                and feed.task_count + $6 * batch.size <= greatest($7, feed.task_count)
            returning feed.revision - batch.size as previous_revision
         ), written as (
            update task.tasks as task
            set delete_time = $4,
                purge_time = $5,
                update_time = greatest($8, task.update_time),
                revision = feed.previous_revision + ready.position
            from ready, feed
            where task.owner_id = $1 and task.id = ready.id
            returning task.id, task.update_time, task.revision
         )
         select
            found.id as "id!: TaskId",
            found.title as "title!: Title",
            found.description as "description!: Description",
            found.is_complete as "is_complete!",
            found.priority as "priority!: Priority",
            found.labels as "labels!: Labels",
            found.due_time,
            found.due_time_zone as "due_time_zone: TimeZone",
            coalesce(written.revision, found.revision) as "revision!",
            found.revision as "previous_revision!",
            found.create_time as "create_time!",
            coalesce(written.update_time, found.update_time) as "update_time!",
            found.complete_time,
            case when written.id is null then found.delete_time else $4 end as delete_time,
            case when written.id is null then found.purge_time else $5 end as purge_time
         from found
         left join written using (id)"#,
        owner as _,
        targets.iter().map(|target| target.id).collect::<Vec<_>>() as _,
        targets.iter().map(|target| target.etag).collect::<Vec<_>>() as _,
        change.deletion.map(|deletion| deletion.delete_time),
        change.deletion.map(|deletion| deletion.purge_time),
        change.count,
        change.quota,
        now,
        i64::try_from(MAX_BATCH_BYTES).expect("it is a few millions"),
    );
    Ok(rows.fetch_all(db).await?)
}
