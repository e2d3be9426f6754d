//! `task.requests`: idempotent creates by their request ids. `tasks::create` stores them, in the
//! statement that creates the tasks. Requests expire by the database's clock.

use std::time::Duration;

use shared::{error::Error, ids::UserId};
use sqlx::{PgConnection, PgPool};

use crate::domain::{
    creation::{Creation, RequestKey},
    task::TaskId,
};

/// What the request did, if it was executed within `retention`. Deletes an expired request, so that
/// its id can be used again.
///
/// # Errors
/// [`Error::RequestIdReused`] if the request with this id had other fields.
pub(crate) async fn find(
    db: &mut PgConnection,
    owner: UserId,
    request: &RequestKey,
    retention: Duration,
) -> Result<Option<Creation>, Error> {
    let row = sqlx::query!(
        r#"with expired as (
            delete from task.requests
            where owner_id = $1 and method = $2 and request_id = $3
                and create_time <= current_timestamp - $4::interval
         )
         select
            fingerprint,
            task_ids as "task_ids: Vec<TaskId>",
            revision,
            create_time
         from task.requests
         where owner_id = $1 and method = $2 and request_id = $3
            and create_time > current_timestamp - $4::interval"#,
        owner.0,
        request.method,
        request.id,
        retention as _,
    );
    let Some(row) = row.fetch_optional(db).await? else { return Ok(None) };
    if row.fingerprint != request.fingerprint {
        return Err(Error::RequestIdReused);
    }
    let (task_ids, last_revision) = (row.task_ids, row.revision);
    Ok(Some(Creation { task_ids, last_revision, create_time: row.create_time }))
}

/// Deletes at most `limit` requests that are older than `retention`, and returns how many.
pub(crate) async fn purge(db: &PgPool, retention: Duration, limit: i64) -> Result<u64, Error> {
    let purged = sqlx::query!(
        "delete from task.requests
         where ctid = any(array(
            select ctid
            from task.requests
            where create_time <= current_timestamp - $1::interval
            order by create_time
            limit $2
            for update skip locked
         ))",
        retention as _,
        limit,
    );
    Ok(purged.execute(db).await?.rows_affected())
}

/// Deletes at most `limit` requests of the owner, and returns how many.
pub(crate) async fn purge_owner(db: &PgPool, owner: UserId, limit: i64) -> Result<u64, Error> {
    let purged = sqlx::query!(
        "delete from task.requests
         where ctid = any(array(
            select ctid
            from task.requests
            where owner_id = $1
            limit $2
            for update skip locked
         ))",
        owner.0,
        limit,
    );
    Ok(purged.execute(db).await?.rows_affected())
}
