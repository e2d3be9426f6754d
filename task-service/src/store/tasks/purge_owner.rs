//! Purges the tasks of an owner whose account was purged.

use shared::{error::Error, ids::UserId};
use sqlx::PgPool;

use crate::domain::task::OVERHEAD_BYTES;

/// Purges at most `limit` tasks of the owner, deleted or not, and returns how many.
pub(crate) async fn purge_owner(db: &PgPool, owner: UserId, limit: i64) -> Result<u64, Error> {
    let purged = sqlx::query_scalar!(
        r#"with purged as (
            delete from task.tasks
            where owner_id = $1
                and id = any(array(
                    select id
                    from task.tasks
                    where owner_id = $1
                    order by id
                    limit $2
                    for update
                ))
            returning
                revision,
                delete_time,
                octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, '')) + $3::integer as bytes
         ), total as (
            select
                count(*) as count,
                count(*) filter (where delete_time is null)::integer as live_count,
                sum(bytes) as bytes,
                max(revision) as revision
            from purged
         ), feed as (
            update task.feeds as feed
            set revision = feed.revision + total.count,
                task_count = feed.task_count - total.live_count,
                task_bytes = feed.task_bytes - least(feed.task_bytes, total.bytes),
                purged_revision = greatest(feed.purged_revision, total.revision)
            from total
            where feed.owner_id = $1 and total.count > 0
         )
         select count as "count!"
         from total"#,
        owner.0,
        limit,
        OVERHEAD_BYTES,
    );
    Ok(purged.fetch_one(db).await?.unsigned_abs())
}
