//! Deletes tasks, softly, and undeletes them.

use std::time::Duration;

use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use super::{
    fitting,
    row::{TaskRow, by_item, select_tasks},
};
use crate::domain::{
    quota::Quota,
    task::{MAX_BATCH_BYTES, Target, Task, TaskId},
};

/// Tasks of an owner to delete, all or none. No task occurs twice.
pub(crate) struct Delete {
    pub(crate) owner: UserId,
    pub(crate) targets: Vec<Target>,
}

/// Deletes tasks, to be purged after `retention`. No task may occur in two deletes.
///
/// The result for each task is the deleted task, or
/// - [`Error::TaskNotFound`] if the owner does not have it,
/// - [`Error::TaskDeleted`] if it was deleted before,
/// - [`Error::EtagMismatch`] if the target is another version.
///
/// A delete fails with [`Error::MessageTooLarge`] if its tasks exceed the limit of an answer.
pub(crate) async fn delete(
    db: &mut PgConnection,
    deletes: &[Delete],
    retention: Duration,
) -> Result<Vec<Result<Vec<Result<Task, Error>>, Error>>, Error> {
    let change = DeletionChange { retention: Some(retention), count: -1, quota: i32::MAX };
    let rows = set_deletion(db, deletes, &change).await?;
    let mut rows = rows.into_iter();
    let mut result = |target: &Target| {
        let row = rows.next().flatten().ok_or(Error::TaskNotFound)?;
        if row.delete_time.is_some() && !row.is_written() {
            return Err(Error::TaskDeleted);
        }
        row.check_etag(*target)?;
        row.into_task().ok_or(Error::TaskNotFound)
    };
    let results = |delete: &Delete| fitting(delete.targets.iter().map(&mut result).collect());
    Ok(deletes.iter().map(results).collect())
}

/// Undeletes a task.
///
/// # Errors
/// - [`Error::TaskNotFound`] if the owner does not have it.
/// - [`Error::TaskNotDeleted`] if it is not deleted.
/// - [`Error::TaskQuotaExceeded`] if the owner would have more tasks than the quota allows.
pub(crate) async fn undelete(
    db: &mut PgConnection,
    owner: UserId,
    id: TaskId,
    quota: Quota,
) -> Result<Task, Error> {
    let limit = quota.tasks.try_into().unwrap_or(i32::MAX);
    let change = DeletionChange { retention: None, count: 1, quota: limit };
    let undelete = Delete { owner, targets: vec![Target { id, etag: None }] };
    let rows = set_deletion(db, &[undelete], &change).await?;
    let row = rows.into_iter().flatten().next().ok_or(Error::TaskNotFound)?;
    match row.delete_time {
        None if row.is_written() => row.into_task().ok_or(Error::TaskNotFound),
        None => Err(Error::TaskNotDeleted),
        Some(_) => Err(quota.of_tasks()),
    }
}

/// What to do with each task: delete or undelete it.
struct DeletionChange {
    /// Until the purge of a task to delete; `None` undeletes.
    retention: Option<Duration>,
    /// By how much each task changes the owner's count.
    count: i64,
    quota: i32,
}

/// Deletes or undeletes tasks, and returns those that exist as they are now. A call is executed as
/// a whole or not at all: if all its tasks exist, none has the wanted state already, all etags
/// match, and the owner stays within the quota.
async fn set_deletion(
    db: &mut PgConnection,
    calls: &[Delete],
    change: &DeletionChange,
) -> Result<Vec<Option<TaskRow>>, Error> {
    let calls = || calls.iter().zip(1_i32..);
    let items = || calls().flat_map(|(call, n)| call.targets.iter().map(move |t| (call, n, t)));
    let rows = select_tasks!(
        r#"with found as materialized (
            select item.call, item.position, item.revision as wanted_revision, task.*
            from (
                select *
                from unnest($1::uuid[], $2::integer[], $3::uuid[], $4::bigint[])
                    with ordinality as item (owner_id, call, id, revision, position)
                order by owner_id, id
            ) as item
            left join lateral (
                select *
                from task.tasks
                where owner_id = item.owner_id and id = item.id
                for update
            ) as task on true
         ), judged as (
            select
                found.*,
                bool_and(
                    id is not null
                    and (delete_time is null) = ($5::interval is not null)
                    and coalesce(wanted_revision = revision, true)
                ) over call and sum(
                    octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, ''))
                ) over call <= $8 as is_ready
            from found
            window call as (partition by call)
         ), feed as (
            insert into task.feeds as feed (owner_id, revision, task_count)
            select owner_id, count(*), 0
            from judged
            where is_ready
            group by owner_id
            order by owner_id
            on conflict (owner_id) do update
            set revision = feed.revision + excluded.revision,
                task_count = feed.task_count + $6 * excluded.revision
            -- A change that lowers the count is always allowed.
            where feed.task_count + $6 * excluded.revision <= greatest($7, feed.task_count)
            returning owner_id, revision
         ), numbered as materialized (
            select
                judged.*,
                is_ready and feed.revision is not null as is_written,
                case when $5 is not null then current_timestamp end as next_delete_time,
                -- The last one has the feed's current revision.
                feed.revision + 1 - count(*) filter (where is_ready)
                    over (partition by owner_id order by position desc) as next_revision
            from judged
            left join feed using (owner_id)
         ), written as (
            update task.tasks as task
            set delete_time = numbered.next_delete_time,
                purge_time = numbered.next_delete_time + $5,
                update_time = greatest(current_timestamp, task.update_time),
                revision = numbered.next_revision
            from numbered
            where numbered.is_written
                and task.owner_id = any(array[numbered.owner_id])
                and task.id between numbered.id and numbered.id
         )
         select
            position as "position!",
            case when is_written then next_revision else revision end as "revision: _",
            revision as "base_revision!",
            null::timestamptz as "server_start: _",
            case when is_written then greatest(current_timestamp, update_time) else update_time end
                as "update_time: _",
            case when is_written then next_delete_time else delete_time end as delete_time,
            case when is_written then next_delete_time + $5 else purge_time end as purge_time,"#,
        "from numbered as task
         where id is not null",
        &items().map(|(call, ..)| call.owner.0).collect::<Vec<_>>(),
        &items().map(|(_, n, _)| n).collect::<Vec<_>>(),
        items().map(|(.., target)| target.id).collect::<Vec<_>>() as _,
        items().map(|(.., target)| target.etag).collect::<Vec<_>>() as _,
        change.retention as _,
        change.count,
        change.quota,
        i64::try_from(MAX_BATCH_BYTES).expect("it is a few million"),
    );
    Ok(by_item(rows.fetch_all(db).await?, items().count()))
}
