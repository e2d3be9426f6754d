//! Creates tasks.

use chrono::{DateTime, Utc};
use shared::{db, error::Error, ids::UserId};
use sqlx::PgPool;

use crate::domain::{
    creation::{Creation, RequestKey},
    due::Due,
    task::{NewTask, TaskId},
    text::Folded,
};

/// Keeps new tasks, all or none, and the request that asked for them.
///
/// # Errors
/// - [`Error::TaskQuotaExceeded`] if the owner would have more than `quota` tasks.
/// - [`Error::RequestIdReused`] if there was a request with this id.
pub(crate) async fn insert(
    db: &PgPool,
    owner: UserId,
    tasks: &[NewTask],
    request: Option<&RequestKey>,
    quota: u32,
    now: DateTime<Utc>,
) -> Result<Creation, Error> {
    let task_ids: Vec<_> = tasks.iter().map(|_| TaskId::generate()).collect();
    let titles: Vec<_> = tasks.iter().map(|task| task.title.as_str()).collect();
    let descriptions: Vec<_> = tasks.iter().map(|task| task.description.as_str()).collect();
    let due: Vec<_> = tasks.iter().map(|task| task.due.as_ref()).collect();
    let last_revision = sqlx::query_scalar!(
        "with batch as (
            select cardinality($2::uuid[]) as size
         ), feed as (
            insert into task.feeds as feed (owner_id, revision, task_count)
            select $1, size, size
            from batch
            where size <= $15
            on conflict (owner_id) do update
            set revision = feed.revision + excluded.revision,
                task_count = feed.task_count + excluded.task_count
            where feed.task_count + excluded.task_count <= $15
            returning revision
         ), request as (
            insert into task.requests (
                owner_id, method, request_id, fingerprint, task_ids, revision, create_time
            )
            select $1, $11, $12, $13, $2, revision, $14
            from feed
            where $12::uuid is not null
         ), created as (
            insert into task.tasks (
                owner_id, id, title, title_folded, description, description_folded, is_complete,
                priority, labels, due_time, due_time_zone, revision, create_time, update_time,
                complete_time
            )
            select
                $1, id, title, title_folded, description, description_folded, is_complete,
                priority, string_to_array(labels, chr(31)), due_time, due_time_zone,
                feed.revision - batch.size + item.position, $14, $14,
                case when is_complete then $14 end
            from batch, feed, unnest(
                $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                $8::smallint[], $9::text[], $10::timestamptz[], $16::text[]
            ) with ordinality as item (
                id, title, title_folded, description, description_folded, is_complete,
                priority, labels, due_time, due_time_zone, position
            )
         )
         select revision
         from feed",
        owner as _,
        &task_ids as _,
        &titles as _,
        titles.iter().map(|text| Folded::of(text)).collect::<Vec<_>>() as _,
        &descriptions as _,
        descriptions.iter().map(|text| Folded::of(text)).collect::<Vec<_>>() as _,
        &tasks.iter().map(|task| task.is_complete).collect::<Vec<_>>(),
        &tasks.iter().map(|task| task.priority as i16).collect::<Vec<_>>(),
        &tasks.iter().map(|task| task.labels.joined()).collect::<Vec<_>>(),
        &due.iter().map(|due| due.map(Due::time)).collect::<Vec<_>>() as _,
        request.map(|request| request.method),
        request.map(|request| request.id),
        request.map(|request| request.fingerprint.as_slice()),
        now,
        i32::try_from(quota).unwrap_or(i32::MAX),
        &due.iter().map(|due| due.and_then(Due::zone)).collect::<Vec<_>>() as _,
    )
    .fetch_optional(db)
    .await
    .map_err(|error| {
        if db::violates(&error, "requests_pkey") { Error::RequestIdReused } else { error.into() }
    })?
    .ok_or(Error::TaskQuotaExceeded { limit: quota })?;
    Ok(Creation { task_ids, last_revision, create_time: now })
}
