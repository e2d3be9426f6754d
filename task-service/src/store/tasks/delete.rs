//! Deletes tasks and brings them back.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use super::{Row, by_item, fitting};
use crate::domain::{
    due::TimeZone,
    label::Labels,
    priority::Priority,
    task::{Deletion, MAX_BATCH_BYTES, Target, Task, TaskId},
    text::{Description, Title},
};

/// Tasks of an owner that are to be deleted, all or none; no task twice.
pub(crate) struct Delete {
    pub(crate) owner: UserId,
    pub(crate) targets: Vec<Target>,
}

/// Deletes tasks. No two deletes may be of the same task.
///
/// Each has its outcome: as it is now, or
/// - [`Error::TaskNotFound`] if the owner does not have it,
/// - [`Error::TaskDeleted`] if it was deleted before,
/// - [`Error::EtagMismatch`] if it is of another version than the target.
///
/// A delete has [`Error::MessageTooLarge`] if its tasks would not fit one answer.
pub(crate) async fn delete(
    db: &mut PgConnection,
    deletes: &[Delete],
    deletion: Deletion,
) -> Result<Vec<Result<Vec<Result<Task, Error>>, Error>>, Error> {
    let change = Change { deletion: Some(deletion), count: -1, quota: i32::MAX };
    let rows = set_deletion(db, deletes, &change, deletion.delete_time).await?;
    let mut rows = rows.into_iter();
    let mut outcome = |target: &Target| {
        let row = rows.next().flatten().ok_or(Error::TaskNotFound)?;
        if row.delete_time.is_some() && !row.is_written() {
            return Err(Error::TaskDeleted);
        }
        row.check_etag(*target)?;
        Ok(row.into())
    };
    let outcomes = |delete: &Delete| fitting(delete.targets.iter().map(&mut outcome).collect());
    Ok(deletes.iter().map(outcomes).collect())
}

/// Brings a deleted task back.
///
/// # Errors
/// - [`Error::TaskNotFound`] if the owner does not have it.
/// - [`Error::TaskNotDeleted`] if it is not deleted.
/// - [`Error::TaskQuotaExceeded`] if the owner would have more than `quota` tasks.
pub(crate) async fn undelete(
    db: &mut PgConnection,
    owner: UserId,
    id: TaskId,
    quota: u32,
    now: DateTime<Utc>,
) -> Result<Task, Error> {
    let change = Change { deletion: None, count: 1, quota: quota.try_into().unwrap_or(i32::MAX) };
    let undelete = Delete { owner, targets: vec![Target { id, etag: None }] };
    let rows = set_deletion(db, &[undelete], &change, now).await?;
    let row = rows.into_iter().flatten().next().ok_or(Error::TaskNotFound)?;
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

/// Changes whether tasks are deleted: of each call all, if all are there, none is so already, all
/// etags fit and the owner would not have too many. Each task as it is now, if it is there.
#[expect(clippy::too_many_lines, reason = "it is one statement")]
async fn set_deletion(
    db: &mut PgConnection,
    calls: &[Delete],
    change: &Change,
    now: DateTime<Utc>,
) -> Result<Vec<Option<Row>>, Error> {
    let calls = || calls.iter().zip(1_i32..);
    let items = || calls().flat_map(|(call, n)| call.targets.iter().map(move |t| (call, n, t)));
    let rows = sqlx::query_as!(
        Row,
        r#"with item as (
            select *
            from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::bigint[])
                with ordinality as item (owner_id, call, id, revision, position)
         ), found as materialized (
            select task.*
            from task.tasks as task
            join unnest($1::uuid[], $3::uuid[]) as item (owner_id, id) using (owner_id, id)
            order by owner_id, id
            for update of task
         ), judged as (
            select
                item.owner_id,
                item.position,
                found.id,
                bool_and(
                    found.id is not null
                    and (found.delete_time is null) = ($5::timestamptz is not null)
                    and coalesce(item.revision = found.revision, true)
                ) over call and sum(
                    octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, ''))
                ) over call <= $10 as is_ready
            from item
            left join found using (owner_id, id)
            window call as (partition by item.call)
         ), changed as (
            select judged.*, row_number() over (partition by owner_id order by position) as number
            from judged
            where is_ready
         ), batch as (
            select owner_id, count(*)::integer as size
            from changed
            group by owner_id
         ), locked as materialized (
            select feed.owner_id, batch.size
            from task.feeds as feed
            join batch using (owner_id)
            order by owner_id
            for update of feed
         ), feed as (
            update task.feeds as feed
            set revision = feed.revision + locked.size,
                task_count = feed.task_count + $7 * locked.size
            from locked
            where feed.owner_id = locked.owner_id
                -- Fewer are always allowed.
                and feed.task_count + $7 * locked.size <= greatest($8, feed.task_count)
            returning feed.owner_id, feed.revision - locked.size as previous_revision
         ), numbered as materialized (
            select changed.*, feed.previous_revision + changed.number as next_revision
            from changed
            join feed using (owner_id)
         ), written as (
            update task.tasks as task
            set delete_time = $5,
                purge_time = $6,
                update_time = greatest($9, task.update_time),
                revision = numbered.next_revision
            from numbered
            where task.owner_id = numbered.owner_id and task.id = numbered.id
            returning numbered.position, task.update_time, task.revision
         )
         select
            item.position as "position!",
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
            case when written.position is null then found.delete_time else $5 end as delete_time,
            case when written.position is null then found.purge_time else $6 end as purge_time
         from item
         join found using (owner_id, id)
         left join written using (position)"#,
        items().map(|(call, ..)| call.owner).collect::<Vec<_>>() as _,
        &items().map(|(_, n, _)| n).collect::<Vec<_>>(),
        items().map(|(.., target)| target.id).collect::<Vec<_>>() as _,
        items().map(|(.., target)| target.etag).collect::<Vec<_>>() as _,
        change.deletion.map(|deletion| deletion.delete_time),
        change.deletion.map(|deletion| deletion.purge_time),
        change.count,
        change.quota,
        now,
        i64::try_from(MAX_BATCH_BYTES).expect("it is a few millions"),
    );
    Ok(by_item(rows.fetch_all(db).await?, items().count()))
}
