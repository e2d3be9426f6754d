//! Removes what was deleted long ago. The one statement that is about all owners.

use chrono::{DateTime, Utc};
use shared::error::Error;
use sqlx::PgPool;

/// Removes for good at most `limit` of the tasks whose time has come, the earliest first, and
/// returns how many. Any number of replicas may do so at once: what one has taken, others pass
/// over.
pub(crate) async fn purge(db: &PgPool, now: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
    let purged = sqlx::query_scalar!(
        r#"with due as (
            select owner_id, id
            from task.tasks
            where delete_time is not null and purge_time <= $1
            order by purge_time
            limit $2
            for update skip locked
         ), purged as (
            delete from task.tasks as task
            using due
            where task.owner_id = due.owner_id and task.id = due.id
            returning task.owner_id, task.revision
         ), latest as (
            select owner_id, max(revision) as revision
            from purged
            group by owner_id
         ), locked as materialized (
            -- Feeds in one order, for others that purge.
            select feed.owner_id
            from task.feeds as feed
            where feed.owner_id in (select owner_id from latest)
            order by feed.owner_id
            for update
         ), feed as (
            update task.feeds as feed
            set purged_revision = greatest(feed.purged_revision, latest.revision)
            from latest
            join locked using (owner_id)
            where feed.owner_id = latest.owner_id
         )
         select count(*) as "count!"
         from purged"#,
        now,
        limit,
    );
    let count = purged.fetch_one(db).await?;
    Ok(count.try_into().unwrap_or(0))
}
