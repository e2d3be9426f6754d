//! `task.requests`: creates that may be repeated. `tasks::insert` keeps them, with what they
//! create.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::PgPool;

use crate::domain::{
    creation::{Creation, RequestKey},
    task::TaskId,
};

/// What the request did, if it was done after `forgotten`. Otherwise its id is free again.
///
/// # Errors
/// [`Error::RequestIdReused`] if it was another request.
pub(crate) async fn find(
    db: &PgPool,
    owner: UserId,
    request: &RequestKey,
    forgotten: DateTime<Utc>,
) -> Result<Option<Creation>, Error> {
    let row = sqlx::query!(
        r#"with forgotten as (
            delete from task.requests
            where owner_id = $1 and method = $2 and request_id = $3 and create_time <= $4
         )
         select
            fingerprint,
            task_ids as "task_ids: Vec<TaskId>",
            revision,
            create_time
         from task.requests
         where owner_id = $1 and method = $2 and request_id = $3"#,
        owner.0,
        request.method,
        request.id,
        forgotten,
    );
    let row = row.fetch_optional(db).await?.filter(|row| row.create_time > forgotten);
    let Some(row) = row else { return Ok(None) };
    if row.fingerprint != request.fingerprint {
        return Err(Error::RequestIdReused);
    }
    let (task_ids, last_revision) = (row.task_ids, row.revision);
    Ok(Some(Creation { task_ids, last_revision, create_time: row.create_time }))
}

/// Removes at most `limit` of those that were done before `forgotten`, and returns how many.
pub(crate) async fn purge(db: &PgPool, forgotten: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
    let purged = sqlx::query!(
        "delete from task.requests
         where ctid = any(array(
            select ctid
            from task.requests
            where create_time <= $1
            order by create_time
            limit $2
            for update skip locked
         ))",
        forgotten,
        limit,
    );
    Ok(purged.execute(db).await?.rows_affected())
}
