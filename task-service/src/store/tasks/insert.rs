//! Creates tasks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use shared::{db, error::Error, ids::UserId};
use sqlx::PgConnection;

use crate::domain::{
    creation::{Creation, RequestKey},
    due::Due,
    task::{NewTask, TaskId},
    text::Folded,
};

/// New tasks of an owner, to be kept all or none, with the request that asked for them.
pub(crate) struct Insert {
    pub(crate) owner: UserId,
    pub(crate) tasks: Arc<[NewTask]>,
    pub(crate) request: Option<RequestKey>,
}

/// What became of an insert.
struct Row {
    is_fresh: bool,
    has_others: bool,
    revision: Option<i64>,
}

/// Keeps new tasks, and the requests that asked for them. If there are several inserts of an owner,
/// each must be of one task.
///
/// Each insert has its outcome: what was created, or
/// - [`Error::RequestIdReused`] if there was a request with this id,
/// - [`Error::TaskQuotaExceeded`] if the owner would have more than `quota` tasks,
/// - nothing if only some of the owner's inserts may be within it: each has to be tried alone.
///
/// # Errors
/// [`Error::RequestIdReused`] if a request with an id among these is made at the same time.
#[expect(clippy::too_many_lines, reason = "it is one statement")]
pub(crate) async fn insert(
    connection: &mut PgConnection,
    inserts: &[Insert],
    quota: u32,
    now: DateTime<Utc>,
) -> Result<Vec<Option<Result<Creation, Error>>>, Error> {
    let sizes = inserts.iter().map(|insert| i32::try_from(insert.tasks.len()));
    let requests = || inserts.iter().map(|insert| insert.request.as_ref());
    let tasks = || inserts.iter().flat_map(|insert| insert.tasks.iter());
    let calls = || inserts.iter().zip(1_i32..).flat_map(|(i, n)| i.tasks.iter().map(move |_| n));
    let places = inserts.iter().flat_map(|insert| insert.tasks.iter().zip(1_i32..));
    let titles: Vec<_> = tasks().map(|task| task.title.as_str()).collect();
    let descriptions: Vec<_> = tasks().map(|task| task.description.as_str()).collect();
    let mut task_ids: Vec<_> = tasks().map(|_| TaskId::generate()).collect();
    let rows = sqlx::query_as!(
        Row,
        r#"with call as materialized (
            select
                call.*,
                request_id is null or not exists (
                    select
                    from task.requests as request
                    where request.owner_id = call.owner_id
                        and request.method = call.method
                        and request.request_id = call.request_id
                    offset 0
                ) as is_fresh
            from unnest($1::uuid[], $2::integer[], $3::text[], $4::uuid[], $5::bytea[])
                with ordinality as call (owner_id, size, method, request_id, fingerprint, number)
         ), feed as (
            insert into task.feeds as feed (owner_id, revision, task_count)
            select owner_id, sum(size), sum(size)
            from call
            where is_fresh
            group by owner_id
            having sum(size) <= $6::integer
            order by owner_id
            on conflict (owner_id) do update
            set revision = feed.revision + excluded.revision,
                task_count = feed.task_count + excluded.task_count
            where feed.task_count + excluded.task_count <= $6
            returning owner_id, revision
         ), numbered as materialized (
            select
                call.*,
                count(*) over owner > 1 as has_others,
                -- Of its last task. The last call has the one that the feed has now.
                case when is_fresh then feed.revision + size - sum(size) filter (where is_fresh)
                    over (owner order by number desc) end as revision
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
                    from unnest($8::integer[], $10::uuid[]) with ordinality as item (call, id, nth)
                    where item.call = numbered.number
                    order by nth
                ),
                revision, $7
            from numbered
            where revision is not null and request_id is not null
         ), created as (
            insert into task.tasks (
                owner_id, id, title, title_folded, description, description_folded, is_complete,
                priority, labels, due_time, due_time_zone, revision, create_time, update_time,
                complete_time
            )
            select
                owner_id, id, title, title_folded, description, description_folded,
                is_complete, priority, string_to_array(labels, chr(31)), due_time, due_time_zone,
                revision - size + place, $7, $7,
                case when is_complete then $7 end
            from unnest(
                $8::integer[], $9::integer[], $10::uuid[], $11::text[], $12::text[], $13::text[],
                $14::text[], $15::boolean[], $16::smallint[], $17::text[], $18::timestamptz[],
                $19::text[]
            ) as item (
                call, place, id, title, title_folded, description, description_folded, is_complete,
                priority, labels, due_time, due_time_zone
            )
            join numbered on numbered.number = item.call
            where revision is not null
         )
         select is_fresh as "is_fresh!", has_others as "has_others!", revision
         from numbered
         order by number"#,
        &inserts.iter().map(|insert| insert.owner.0).collect::<Vec<_>>(),
        &sizes.collect::<Result<Vec<_>, _>>().expect("a call has few tasks"),
        requests().map(|request| request.map(|r| r.method)).collect::<Vec<_>>() as _,
        requests().map(|request| request.map(|r| r.id)).collect::<Vec<_>>() as _,
        requests().map(|r| r.map(|r| r.fingerprint.as_slice())).collect::<Vec<_>>() as _,
        i32::try_from(quota).unwrap_or(i32::MAX),
        now,
        &calls().collect::<Vec<_>>(),
        &places.map(|(_, place)| place).collect::<Vec<_>>(),
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
    );
    let rows = rows.fetch_all(connection).await.map_err(|error| {
        if db::violates(&error, "requests_pkey") { Error::RequestIdReused } else { error.into() }
    })?;
    let outcome = |(insert, row): (&Insert, _)| {
        let rest = task_ids.split_off(insert.tasks.len());
        let task_ids = std::mem::replace(&mut task_ids, rest);
        match row {
            Row { revision: Some(last_revision), .. } => {
                Some(Ok(Creation { task_ids, last_revision, create_time: now }))
            }
            Row { is_fresh: false, .. } => Some(Err(Error::RequestIdReused)),
            Row { has_others: true, .. } => None,
            Row { .. } => Some(Err(Error::TaskQuotaExceeded { limit: quota })),
        }
    };
    Ok(inserts.iter().zip(rows).map(outcome).collect())
}
