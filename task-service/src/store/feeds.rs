//! `task.feeds`: one row for each owner, with the revision and the count of the owner's tasks. The
//! statements that change tasks update it; they are in `tasks/`.

use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

/// How many tasks the owner has, without deleted ones.
pub(crate) async fn task_count(db: &mut PgConnection, owner: UserId) -> Result<u32, Error> {
    let count = sqlx::query_scalar!(
        "select task_count
         from task.feeds
         where owner_id = $1",
        owner.0,
    );
    let count = count.fetch_optional(db).await?.unwrap_or(0);
    Ok(count.try_into().expect("a constraint rejects negative counts"))
}
