//! Purges deleted tasks. This is the only statement that is not scoped to an owner.

use shared::error::Error;
use sqlx::PgPool;

use crate::domain::task::OVERHEAD_BYTES;

/// Purges at most `limit` of the tasks whose `purge_time` has passed by the database's clock, the
/// earliest first, and returns how many. Any number of replicas can do so at once: each skips the
/// tasks that another has locked.
pub(crate) async fn purge(db: &PgPool, limit: i64) -> Result<u64, Error> {
    let purged = sqlx::query_scalar!(
        r#"with purged as (
            delete from task.tasks
            where ctid = any(array(
                select ctid
                from task.tasks
                where delete_time is not null and purge_time <= current_timestamp
                order by purge_time
                limit $1
                for update skip locked
            ))
            returning
                owner_id,
                revision,
                octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, '')) + $2::integer as bytes
         ), feed as (
            insert into task.feeds as feed (
                owner_id, revision, task_count, task_bytes, purged_revision
            )
            select owner_id, 0, 0, sum(bytes), max(revision)
            from purged
            group by owner_id
            -- All purges lock feeds in the same order, so that they never deadlock.
            order by owner_id
            on conflict (owner_id) do update
            set purged_revision = greatest(feed.purged_revision, excluded.purged_revision),
                task_bytes = feed.task_bytes - least(feed.task_bytes, excluded.task_bytes)
         )
         select count(*) as "count!"
         from purged"#,
        limit,
        OVERHEAD_BYTES,
    );
    let count = purged.fetch_one(db).await?;
    Ok(count.try_into().unwrap_or(0))
}
