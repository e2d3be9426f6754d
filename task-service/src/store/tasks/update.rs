//! Changes fields of tasks.

use std::sync::Arc;

use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use super::{
    fitting,
    row::{by_item, select_tasks},
};
use crate::domain::{
    folded::Folded,
    label::Labels,
    quota::Quota,
    task::{MAX_BATCH_BYTES, Target, Task, TaskPatch},
};

/// Changes to tasks of an owner, all or none. No task occurs twice.
pub(crate) struct Update {
    pub(crate) owner: UserId,
    pub(crate) patches: Arc<[(Target, TaskPatch)]>,
    /// Returns the same results and writes nothing.
    pub(crate) validate_only: bool,
}

/// Sets the fields of the patches, and the times that follow from them. A patch that changes
/// nothing keeps `update_time` and the etag. No task may occur in two updates.
///
/// The result for each task is the updated task, or
/// - [`Error::TaskNotFound`] if the owner does not have it,
/// - [`Error::TaskDeleted`] if it is deleted,
/// - [`Error::EtagMismatch`] if the target is another version.
///
/// An update fails with [`Error::MessageTooLarge`] if its tasks exceed the limit of an answer, and
/// with [`Error::StorageQuotaExceeded`] if it makes the owner's tasks longer than the quota allows,
/// or longer at all while the owner's bytes were never counted. `None` stands for an update that
/// exceeds the quota together with others of its owner: it must be retried in its own statement.
#[expect(clippy::too_many_lines, reason = "it is one statement")]
pub(crate) async fn update(
    db: &mut PgConnection,
    updates: &[Update],
    quota: Quota,
) -> Result<Vec<Option<Result<Vec<Result<Task, Error>>, Error>>>, Error> {
    let calls = || updates.iter().zip(1_i32..);
    let items = || calls().flat_map(|(u, n)| u.patches.iter().map(move |(t, p)| (u, n, t, p)));
    let patches = || items().map(|(.., patch)| patch);
    let due = || patches().map(|patch| patch.due.as_ref());
    let titles: Vec<_> = patches().map(|patch| patch.title.as_ref()).collect();
    let descriptions: Vec<_> = patches().map(|patch| patch.description.as_ref()).collect();
    let folded_titles = titles.iter().map(|title| title.map(|t| Folded::of(t.as_str())));
    let folded_descriptions =
        descriptions.iter().map(|description| description.map(|d| Folded::of(d.as_str())));
    let rows = select_tasks!(
        r#"with next as materialized (
            select
                item.call,
                item.position,
                item.validate_only,
                item.owner_id,
                found.id,
                found.revision,
                found.create_time,
                found.update_time,
                found.delete_time,
                found.purge_time,
                case
                    when coalesce(item.is_complete, found.is_complete) = found.is_complete
                        then found.complete_time
                    when item.is_complete then current_timestamp
                end as complete_time,
                octet_length(found.title) + octet_length(found.description)
                    + octet_length(array_to_string(found.labels, '')) as base_bytes,
                found.id is not null and found.delete_time is null
                    and coalesce(item.revision = found.revision, true) as is_allowed,
                coalesce(item.title, found.title) as title,
                coalesce(item.title_folded, found.title_folded) as title_folded,
                coalesce(item.description, found.description) as description,
                coalesce(item.description_folded, found.description_folded) as description_folded,
                coalesce(item.is_complete, found.is_complete) as is_complete,
                coalesce(item.priority, found.priority) as priority,
                coalesce(string_to_array(item.labels, chr(31)), found.labels) as labels,
                case when sets_due then item.due_time else found.due_time end as due_time,
                case when sets_due then item.due_time_zone else found.due_time_zone end
                    as due_time_zone,
                sets_due and (item.due_time, item.due_time_zone)
                        is distinct from (found.due_time, found.due_time_zone)
                    or coalesce(item.title <> found.title, false)
                    or coalesce(item.description <> found.description, false)
                    or coalesce(item.is_complete <> found.is_complete, false)
                    or coalesce(item.priority <> found.priority, false)
                    or coalesce(string_to_array(item.labels, chr(31)) <> found.labels, false)
                    as is_changed
            from (
                select *
                from unnest(
                    $1::uuid[], $2::integer[], $3::uuid[], $4::bigint[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::boolean[], $10::smallint[], $11::text[],
                    $12::boolean[], $13::timestamptz[], $14::text[], $15::boolean[]
                ) with ordinality as item (
                    owner_id, call, id, revision, title, title_folded, description,
                    description_folded, is_complete, priority, labels, sets_due, due_time,
                    due_time_zone, validate_only, position
                )
                order by owner_id, id
            ) as item
            left join lateral (
                select *
                from task.tasks
                where owner_id = item.owner_id and id = item.id
                for update
            ) as found on true
         ), sized as (
            select
                next.*,
                octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, '')) as bytes
            from next
         ), judged as (
            select
                sized.*,
                is_changed and not validate_only and bool_and(is_allowed) over call
                    and sum(bytes) over call <= $16 as is_ready,
                bool_and(is_allowed) over call as is_call_allowed,
                sum(bytes - base_bytes) over call as growth
            from sized
            window call as (partition by call)
         ), feed as (
            insert into task.feeds as feed (owner_id, revision, task_count, task_bytes)
            select owner_id, count(*), 0, sum(bytes - base_bytes)
            from judged
            where is_ready
            group by owner_id
            order by owner_id
            on conflict (owner_id) do update
            set revision = feed.revision + excluded.revision,
                task_bytes = feed.task_bytes + excluded.task_bytes
            where excluded.task_bytes <= 0 or feed.task_bytes + excluded.task_bytes <= $17
            returning owner_id, revision
         ), numbered as materialized (
            select
                judged.*,
                -- The last one has the feed's current revision.
                case when is_ready then feed.revision + 1 - count(*) filter (where is_ready)
                    over (partition by owner_id order by position desc) end as next_revision,
                case when is_ready then greatest(current_timestamp, update_time) end
                    as next_update_time
            from judged
            left join feed using (owner_id)
         ), written as (
            update task.tasks as task
            set title = numbered.title,
                title_folded = numbered.title_folded,
                description = numbered.description,
                description_folded = numbered.description_folded,
                is_complete = numbered.is_complete,
                priority = numbered.priority,
                labels = numbered.labels,
                due_time = numbered.due_time,
                due_time_zone = numbered.due_time_zone,
                complete_time = numbered.complete_time,
                update_time = numbered.next_update_time,
                revision = numbered.next_revision
            from numbered
            where numbered.next_revision is not null
                and task.owner_id = any(array[numbered.owner_id])
                and task.id between numbered.id and numbered.id
         )
         select
            position as "position!",
            -- Null if the quota rejects the change.
            case
                when is_ready then next_revision
                when validate_only and is_changed and is_call_allowed and exists (
                    select
                    from task.feeds
                    where owner_id = task.owner_id and growth > 0
                        and (task_bytes + growth <= $17) is not true
                ) then null
                else revision
            end as "revision: _",
            revision as "base_revision!",
            null::timestamptz as "server_start: _",
            coalesce(next_update_time, update_time) as "update_time: _",
            delete_time,
            purge_time,"#,
        "from numbered as task
         where id is not null",
        &items().map(|(update, ..)| update.owner.0).collect::<Vec<_>>(),
        &items().map(|(_, call, ..)| call).collect::<Vec<_>>(),
        items().map(|(_, _, target, _)| target.id).collect::<Vec<_>>() as _,
        items().map(|(_, _, target, _)| target.etag).collect::<Vec<_>>() as _,
        &titles as _,
        folded_titles.collect::<Vec<_>>() as _,
        &descriptions as _,
        folded_descriptions.collect::<Vec<_>>() as _,
        patches().map(|patch| patch.is_complete).collect::<Vec<_>>() as _,
        patches().map(|patch| patch.priority.map(|p| p as i16)).collect::<Vec<_>>() as _,
        patches().map(|p| p.labels.as_ref().map(Labels::joined)).collect::<Vec<_>>() as _,
        &due().map(|due| due.is_some()).collect::<Vec<_>>(),
        due().map(|due| due.and_then(|d| Some(d.as_ref()?.time()))).collect::<Vec<_>>() as _,
        due().map(|due| due.and_then(|d| d.as_ref()?.zone())).collect::<Vec<_>>() as _,
        &items().map(|(update, ..)| update.validate_only).collect::<Vec<_>>(),
        i64::try_from(MAX_BATCH_BYTES).expect("it is a few million"),
        i64::try_from(quota.bytes).unwrap_or(i64::MAX),
    );
    let mut rows = by_item(rows.fetch_all(db).await?, titles.len()).into_iter();
    let mut result = |(target, _): &(Target, _)| {
        let row = rows.next().flatten().ok_or(Error::TaskNotFound)?;
        if row.delete_time.is_some() {
            return Err(Error::TaskDeleted);
        }
        row.check_etag(*target)?;
        if row.revision.is_none() {
            return Err(quota.of_bytes());
        }
        row.into_task().ok_or(Error::TaskNotFound)
    };
    let has_others =
        |update: &Update| updates.iter().filter(|other| other.owner == update.owner).count() > 1;
    let results = |update: &Update| {
        let results: Vec<_> = update.patches.iter().map(&mut result).collect();
        let exceeds = results.iter().any(|r| matches!(r, Err(Error::StorageQuotaExceeded { .. })));
        match exceeds {
            false => Some(fitting(results)),
            true if has_others(update) => None,
            true => Some(Err(quota.of_bytes())),
        }
    };
    Ok(updates.iter().map(results).collect())
}
