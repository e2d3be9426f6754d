//! Creates tasks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::{db, error::Error, ids::UserId};
use sqlx::PgConnection;

use crate::domain::{
    creation::{self, Creation, NewTask, RequestKey},
    due::Due,
    folded::Folded,
    quota::Quota,
};

/// Tasks to create for an owner, all or none, and the key that makes the request idempotent.
pub(crate) struct Create {
    pub(crate) owner: UserId,
    pub(crate) tasks: Arc<[NewTask]>,
    pub(crate) request: Option<RequestKey>,
}

/// What the statement did for a create.
struct CreateRow {
    /// Whether no request with this id was stored before.
    is_new: bool,
    /// Whether a task brings a time in the future.
    is_future: bool,
    /// Whether the batch has other creates of the owner.
    has_others: bool,
    /// Of the last task; null if nothing was created.
    revision: Option<i64>,
    /// Whether the create alone would exceed the quota of tasks. Null if it was created.
    exceeds_tasks: Option<bool>,
    /// The database's time, of all that was created.
    create_time: DateTime<Utc>,
}

/// Creates tasks, and stores their requests. If an owner has several creates, each must be of one
/// task.
///
/// The result for each create is what was created, or
/// - [`Error::RequestIdReused`] if a request with this id is stored,
/// - [`Error::InvalidFields`] if a task brings a time in the future,
/// - [`Error::TaskQuotaExceeded`] or [`Error::StorageQuotaExceeded`] if the owner would exceed the
///   quota, the latter also if the owner's bytes were never counted,
/// - `None` if the owner's creates exceed the quota together: each must be retried in its own
///   statement.
///
/// # Errors
/// [`Error::RequestIdReused`] if a concurrent statement stores a request with one of these ids.
#[expect(clippy::too_many_lines, reason = "it is one statement")]
pub(crate) async fn create(
    connection: &mut PgConnection,
    creates: &[Create],
    quota: Quota,
) -> Result<Vec<Option<Result<Creation, Error>>>, Error> {
    let sizes = creates.iter().map(|create| i32::try_from(create.tasks.len()));
    let bytes =
        |create: &Create| create.tasks.iter().map(|task| task.fields.stored_bytes()).sum::<usize>();
    let bytes = creates.iter().map(|create| i64::try_from(bytes(create)));
    let requests = || creates.iter().map(|create| create.request.as_ref());
    let new_tasks = || creates.iter().flat_map(|create| create.tasks.iter());
    let tasks = || new_tasks().map(|task| &task.fields);
    let latest = |create: &Create| create.tasks.iter().filter_map(NewTask::latest_time).max();
    let calls = || creates.iter().zip(1_i32..).flat_map(|(c, n)| c.tasks.iter().map(move |_| n));
    let places = creates.iter().flat_map(|create| create.tasks.iter().zip(1_i32..));
    let titles: Vec<_> = tasks().map(|task| task.title.as_str()).collect();
    let descriptions: Vec<_> = tasks().map(|task| task.description.as_str()).collect();
    let mut task_ids: Vec<_> = new_tasks().map(NewTask::generate_id).collect();
    let rows = sqlx::query_as!(
        CreateRow,
        r#"with call as materialized (
            select
                call.*,
                coalesce(latest > current_timestamp, false) as is_future,
                request_id is null or not exists (
                    select
                    from task.requests as request
                    where request.owner_id = call.owner_id
                        and request.method = call.method
                        and request.request_id = call.request_id
                    offset 0
                ) as is_new
            from unnest(
                $1::uuid[], $2::integer[], $19::bigint[], $3::text[], $4::uuid[], $5::bytea[],
                $21::timestamptz[]
            ) with ordinality
                as call (owner_id, size, bytes, method, request_id, fingerprint, latest, number)
         ), feed as (
            insert into task.feeds as feed (owner_id, revision, task_count, task_bytes)
            select owner_id, sum(size), sum(size), sum(bytes)
            from call
            where is_new and not is_future
            group by owner_id
            having sum(size) <= $6::integer and sum(bytes) <= $20::bigint
            order by owner_id
            on conflict (owner_id) do update
            set revision = feed.revision + excluded.revision,
                task_count = feed.task_count + excluded.task_count,
                task_bytes = feed.task_bytes + excluded.task_bytes
            where feed.task_count + excluded.task_count <= $6
                and feed.task_bytes + excluded.task_bytes <= $20
            returning owner_id, revision
         ), numbered as materialized (
            select
                call.*,
                count(*) over owner > 1 as has_others,
                -- Of the last task. The last create has the feed's current revision.
                case when is_new and not is_future then feed.revision + size - sum(size)
                    filter (where is_new and not is_future) over (owner order by number desc)
                    end as revision
            from call
            left join feed using (owner_id)
            window owner as (partition by owner_id)
         ), request as (
            insert into task.requests (
                owner_id, method, request_id, fingerprint, task_ids, revision, create_time
            )
            select
                owner_id, method, request_id, fingerprint,
                array(
                    select id
                    from unnest($7::integer[], $9::uuid[]) with ordinality as item (call, id, nth)
                    where item.call = numbered.number
                    order by nth
                ),
                revision, current_timestamp
            from numbered
            where revision is not null and request_id is not null
         ), created as (
            insert into task.tasks (
                owner_id, id, revision, create_time, update_time, complete_time,
                title, title_folded, description, description_folded,
                is_complete, priority, labels, due_time, due_time_zone
            )
            select
                owner_id, id, revision - size + nth,
                coalesce(item.create_time, current_timestamp), current_timestamp,
                case when is_complete then coalesce(item.complete_time, current_timestamp) end,
                title, title_folded, description, description_folded,
                is_complete, priority, string_to_array(labels, chr(31)), due_time, due_time_zone
            from unnest(
                $7::integer[], $8::integer[], $9::uuid[],
                $10::text[], $11::text[], $12::text[], $13::text[],
                $14::boolean[], $15::smallint[], $16::text[], $17::timestamptz[], $18::text[],
                $22::timestamptz[], $23::timestamptz[]
            ) as item (
                call, nth, id, title, title_folded, description, description_folded,
                is_complete, priority, labels, due_time, due_time_zone, create_time, complete_time
            )
            join numbered on numbered.number = item.call
            where revision is not null
         )
         select
            is_new as "is_new!",
            is_future as "is_future!",
            has_others as "has_others!",
            revision,
            case when revision is null then size + coalesce((
                select task_count
                from task.feeds
                where owner_id = numbered.owner_id
            ), 0) > $6 end as exceeds_tasks,
            current_timestamp as "create_time!"
         from numbered
         order by number"#,
        &creates.iter().map(|create| create.owner.0).collect::<Vec<_>>(),
        &sizes.collect::<Result<Vec<_>, _>>().expect("a call has few tasks"),
        requests().map(|request| request.map(|r| r.method)).collect::<Vec<_>>() as _,
        requests().map(|request| request.map(|r| r.id)).collect::<Vec<_>>() as _,
        requests().map(|r| r.map(|r| r.fingerprint.as_slice())).collect::<Vec<_>>() as _,
        i32::try_from(quota.tasks).unwrap_or(i32::MAX),
        &calls().collect::<Vec<_>>(),
        &places.map(|(_, nth)| nth).collect::<Vec<_>>(),
        &task_ids as _,
        &titles as _,
        titles.iter().map(|text| Folded::of(text)).collect::<Vec<_>>() as _,
        &descriptions as _,
        descriptions.iter().map(|text| Folded::of(text)).collect::<Vec<_>>() as _,
        &tasks().map(|task| task.is_complete).collect::<Vec<_>>(),
        &tasks().map(|task| task.priority as i16).collect::<Vec<_>>(),
        &tasks().map(|task| task.labels.joined()).collect::<Vec<_>>(),
        &tasks().map(|task| task.due.as_ref().map(Due::time)).collect::<Vec<_>>() as _,
        &tasks().map(|task| task.due.as_ref().and_then(Due::zone)).collect::<Vec<_>>() as _,
        &bytes.collect::<Result<Vec<_>, _>>().expect("a call is small"),
        i64::try_from(quota.bytes).unwrap_or(i64::MAX),
        &creates.iter().map(latest).collect::<Vec<_>>() as _,
        &new_tasks().map(|task| task.create_time).collect::<Vec<_>>() as _,
        &new_tasks().map(|task| task.complete_time).collect::<Vec<_>>() as _,
    );
    let rows = rows.fetch_all(connection).await.map_err(|error| {
        if db::violates(&error, "requests_pkey") { Error::RequestIdReused } else { error.into() }
    })?;
    let attempt = |(create, row): (&Create, _)| {
        let rest = task_ids.split_off(create.tasks.len());
        let task_ids = std::mem::replace(&mut task_ids, rest);
        match row {
            CreateRow { revision: Some(last_revision), create_time, .. } => {
                Some(Ok(Creation { task_ids, last_revision, create_time }))
            }
            CreateRow { is_new: false, .. } => Some(Err(Error::RequestIdReused)),
            CreateRow { is_future: true, create_time, .. } => {
                let future = creation::check_past(&create.tasks, create_time).err();
                Some(Err(future.unwrap_or_default().into()))
            }
            CreateRow { has_others: true, .. } => None,
            CreateRow { exceeds_tasks: Some(true), .. } => Some(Err(quota.of_tasks())),
            CreateRow { .. } => Some(Err(quota.of_bytes())),
        }
    };
    Ok(creates.iter().zip(rows).map(attempt).collect())
}
