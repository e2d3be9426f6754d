//! Changes the fields of tasks.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::PgPool;

use super::{Row, by_id, fitting};
use crate::domain::{
    due::TimeZone,
    label::Labels,
    priority::Priority,
    task::{MAX_BATCH_BYTES, Target, Task, TaskId, TaskPatch},
    text::{Description, Folded, Title},
};

/// Sets the fields that the patches hold, and the times that follow from them, of all of these
/// tasks or of none. A patch that changes nothing leaves `update_time` and the etag. With
/// `validate_only` nothing is written.
///
/// Each task has its outcome: as it is now, or
/// - [`Error::TaskNotFound`] if the owner does not have it,
/// - [`Error::TaskDeleted`] if it is deleted,
/// - [`Error::EtagMismatch`] if it is of another version than the target.
///
/// # Errors
/// [`Error::MessageTooLarge`] if they would not fit one answer.
#[expect(clippy::too_many_lines, reason = "it is one statement")]
pub(crate) async fn update(
    db: &PgPool,
    owner: UserId,
    updates: &[(Target, TaskPatch)],
    validate_only: bool,
    now: DateTime<Utc>,
) -> Result<Vec<Result<Task, Error>>, Error> {
    let titles: Vec<_> = updates.iter().map(|(_, patch)| patch.title.as_ref()).collect();
    let descriptions: Vec<_> = updates.iter().map(|(_, p)| p.description.as_ref()).collect();
    let due: Vec<_> = updates.iter().map(|(_, patch)| patch.due.as_ref()).collect();
    let folded_titles = titles.iter().map(|title| title.map(|t| Folded::of(t.as_str())));
    let folded_descriptions =
        descriptions.iter().map(|description| description.map(|d| Folded::of(d.as_str())));
    let rows = sqlx::query_as!(
        Row,
        r#"with item as (
            select *
            from unnest(
                $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::boolean[], $9::smallint[], $10::text[], $11::boolean[], $12::timestamptz[],
                $13::text[]
            ) with ordinality as item (
                id, revision, title, title_folded, description, description_folded,
                is_complete, priority, labels, sets_due, due_time, due_time_zone, position
            )
         ), found as materialized (
            select *
            from task.tasks
            where owner_id = $1 and id = any($2)
            order by id
            for update
         ), next as (
            select
                item.position,
                found.id,
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
                case
                    when coalesce(item.is_complete, found.is_complete) = found.is_complete
                        then found.complete_time
                    when item.is_complete then $15::timestamptz
                end as complete_time,
                found.delete_time is null and coalesce(item.revision = found.revision, true)
                    as is_allowed
            from item
            join found using (id)
         ), changed as (
            select next.*, row_number() over (order by position) as number
            from next
            join found using (id)
            where (
                next.title, next.description, next.is_complete, next.priority, next.labels,
                next.due_time, next.due_time_zone
            ) is distinct from (
                found.title, found.description, found.is_complete, found.priority, found.labels,
                found.due_time, found.due_time_zone
            )
            and (select count(*) from next where is_allowed) = cardinality($2::uuid[])
            and (
                select sum(
                    octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, ''))
                )
                from next
            ) <= $16
            and not $14::boolean
         ), feed as (
            update task.feeds as feed
            set revision = feed.revision + batch.size
            from (select count(*) as size from changed) as batch
            where feed.owner_id = $1 and batch.size > 0
            returning feed.revision - batch.size as previous_revision
         ), written as (
            update task.tasks as task
            set title = changed.title,
                title_folded = changed.title_folded,
                description = changed.description,
                description_folded = changed.description_folded,
                is_complete = changed.is_complete,
                priority = changed.priority,
                labels = changed.labels,
                due_time = changed.due_time,
                due_time_zone = changed.due_time_zone,
                complete_time = changed.complete_time,
                update_time = greatest($15, task.update_time),
                revision = feed.previous_revision + changed.number
            from changed, feed
            where task.owner_id = $1 and task.id = changed.id
            returning task.id, task.update_time, task.revision
         )
         select
            next.id as "id!: TaskId",
            next.title as "title!: Title",
            next.description as "description!: Description",
            next.is_complete as "is_complete!",
            next.priority as "priority!: Priority",
            next.labels as "labels!: Labels",
            next.due_time,
            next.due_time_zone as "due_time_zone: TimeZone",
            coalesce(written.revision, found.revision) as "revision!",
            found.revision as "previous_revision!",
            found.create_time as "create_time!",
            coalesce(written.update_time, found.update_time) as "update_time!",
            next.complete_time,
            found.delete_time,
            found.purge_time
         from next
         join found using (id)
         left join written using (id)"#,
        owner as _,
        updates.iter().map(|(target, _)| target.id).collect::<Vec<_>>() as _,
        updates.iter().map(|(target, _)| target.etag).collect::<Vec<_>>() as _,
        &titles as _,
        folded_titles.collect::<Vec<_>>() as _,
        &descriptions as _,
        folded_descriptions.collect::<Vec<_>>() as _,
        updates.iter().map(|(_, patch)| patch.is_complete).collect::<Vec<_>>() as _,
        updates.iter().map(|(_, p)| p.priority.map(|p| p as i16)).collect::<Vec<_>>() as _,
        updates.iter().map(|(_, p)| p.labels.as_ref().map(Labels::joined)).collect::<Vec<_>>() as _,
        &due.iter().map(Option::is_some).collect::<Vec<_>>(),
        due.iter().map(|due| due.and_then(|d| Some(d.as_ref()?.time()))).collect::<Vec<_>>() as _,
        due.iter().map(|due| due.and_then(|d| d.as_ref()?.zone())).collect::<Vec<_>>() as _,
        validate_only,
        now,
        i64::try_from(MAX_BATCH_BYTES).expect("it is a few millions"),
    );
    let mut rows = by_id(rows.fetch_all(db).await?);
    let outcome = |target: Target| {
        let row = rows.remove(&target.id).ok_or(Error::TaskNotFound)?;
        if row.delete_time.is_some() {
            return Err(Error::TaskDeleted);
        }
        row.check_etag(target)?;
        Ok(row.into())
    };
    fitting(updates.iter().map(|(target, _)| *target).map(outcome).collect())
}
