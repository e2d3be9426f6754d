//! `task.feeds`: one row for each owner, with the revision, the count and the bytes of the owner's
//! tasks. The statements that change tasks update it; they are in `tasks/`.

use shared::{error::Error, ids::UserId};
use sqlx::{PgConnection, PgPool};

use crate::domain::task::OVERHEAD_BYTES;

/// How often the bytes are counted if other calls change the tasks at the same time.
const ATTEMPTS: usize = 5;

/// What the owner's tasks amount to.
pub(crate) struct Usage {
    /// Without deleted tasks.
    pub(crate) task_count: i64,
    /// Including deleted tasks.
    pub(crate) task_bytes: i64,
}

/// What the owner's tasks amount to.
pub(crate) async fn usage(db: &mut PgConnection, owner: UserId) -> Result<Usage, Error> {
    count_bytes(db, owner).await?;
    let usage = sqlx::query_as!(
        Usage,
        r#"select task_count::bigint as "task_count!", greatest(task_bytes, 0) as "task_bytes!"
         from task.feeds
         where owner_id = $1"#,
        owner.0,
    );
    let usage = usage.fetch_optional(db).await?;
    Ok(usage.unwrap_or(Usage { task_count: 0, task_bytes: 0 }))
}

/// Counts the bytes of the owner's tasks, unless they are counted.
///
/// They are not counted if no write has needed them since the release that introduced the quota.
///
/// # Errors
/// [`Error::Conflict`] if other calls keep changing the owner's tasks.
pub(crate) async fn count_bytes(db: &mut PgConnection, owner: UserId) -> Result<(), Error> {
    for _ in 0..ATTEMPTS {
        let counted = sqlx::query_scalar!(
            r#"with counted as materialized (
                select
                    feed.xmin as version,
                    (
                        select coalesce(sum(
                            octet_length(title) + octet_length(description)
                            + octet_length(array_to_string(labels, '')) + $2::integer
                        ), 0)
                        from task.tasks
                        where owner_id = feed.owner_id
                    ) as bytes
                from task.feeds as feed
                where owner_id = $1 and task_bytes is null
             ), stored as (
                update task.feeds as feed
                set task_bytes = counted.bytes
                from counted
                -- Unless a write that this snapshot does not show has changed the row.
                where feed.owner_id = $1 and feed.xmin = counted.version
                returning true
             )
             select exists (select from stored) as "is_stored!"
             from counted"#,
            owner.0,
            OVERHEAD_BYTES,
        );
        match counted.fetch_optional(&mut *db).await? {
            None | Some(true) => return Ok(()),
            Some(false) => {}
        }
    }
    Err(Error::Conflict("the user's tasks change while their bytes are counted".into()))
}

/// Deletes the row of an owner without tasks.
pub(crate) async fn purge_owner(db: &PgPool, owner: UserId) -> Result<(), Error> {
    let purged = sqlx::query!(
        "delete from task.feeds
         where owner_id = $1
            and task_count = 0
            and not exists (select from task.tasks where owner_id = $1)",
        owner.0,
    );
    purged.execute(db).await?;
    Ok(())
}
