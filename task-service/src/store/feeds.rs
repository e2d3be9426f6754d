//! `task.feeds`: what an owner's tasks have in common. The statements that change tasks change it,
//! too; they stand in `tasks/`.

use shared::{error::Error, ids::UserId};
use sqlx::PgPool;

/// How many tasks the owner has that are not deleted.
pub(crate) async fn task_count(db: &PgPool, owner: UserId) -> Result<u32, Error> {
    let count = sqlx::query_scalar!(
        "select task_count
         from task.feeds
         where owner_id = $1",
        owner.0,
    );
    let count = count.fetch_optional(db).await?.unwrap_or(0);
    Ok(count.try_into().expect("a constraint keeps it from being negative"))
}
