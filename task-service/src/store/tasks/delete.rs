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
    count: i64,
    quota: i32,
}

/// Changes whether tasks are deleted: of each call all, if all are there, none is so already, all
/// etags fit and the owner would not have too many. Each task as it is now, if it is there.
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
                    and (delete_time is null) = ($5::timestamptz is not null)
                    and coalesce(wanted_revision = revision, true)
                ) over call and sum(
                    octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, ''))
                ) over call <= $10 as is_ready
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
                task_count = feed.task_count + $7 * excluded.revision
            -- Fewer are always allowed.
            where feed.task_count + $7 * excluded.revision <= greatest($8, feed.task_count)
            returning owner_id, revision
         ), numbered as materialized (
            select
                judged.*,
                is_ready and feed.revision is not null as is_written,
                -- The last has the one that the feed has now.
                feed.revision + 1 - count(*) filter (where is_ready)
                    over (partition by owner_id order by position desc) as next_revision
            from judged
            left join feed using (owner_id)
         ), written as (
            update task.tasks as task
            set delete_time = $5,
                purge_time = $6,
                update_time = greatest($9, task.update_time),
                revision = numbered.next_revision
            from numbered
            where numbered.is_written
                and task.owner_id = any(array[numbered.owner_id])
                and task.id between numbered.id and numbered.id
         )
         select
            position as "position!",
            id as "id!: TaskId",
            title as "title!: Title",
            description as "description!: Description",
            is_complete as "is_complete!",
            priority as "priority!: Priority",
            labels as "labels!: Labels",
            due_time,
            due_time_zone as "due_time_zone: TimeZone",
            case when is_written then next_revision else revision end as "revision!",
            revision as "previous_revision!",
            create_time as "create_time!",
            case when is_written then greatest($9, update_time) else update_time end
                as "update_time!",
            complete_time,
            case when is_written then $5 else delete_time end as delete_time,
            case when is_written then $6 else purge_time end as purge_time
         from numbered
         where id is not null"#,
        &items().map(|(call, ..)| call.owner.0).collect::<Vec<_>>(),
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
