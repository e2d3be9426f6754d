//! `task.page_token_keys`: the one key that all replicas authenticate page tokens with.

use shared::{error::Error, page::PageTokenKey};
use sqlx::PgPool;

/// The key that is stored, if there is one.
pub(crate) async fn find(db: &PgPool) -> Result<Option<PageTokenKey>, Error> {
    let key = sqlx::query_scalar!("select key from task.page_token_keys");
    Ok(key.fetch_optional(db).await?.map(|key| PageTokenKey::new(&key)))
}

/// The key that is stored, or `candidate`, which is stored if there was none.
pub(crate) async fn find_or_insert(
    db: &PgPool,
    candidate: &[u8; 32],
) -> Result<PageTokenKey, Error> {
    // First without a write, which a standby would refuse.
    if let Some(key) = find(db).await? {
        return Ok(key);
    }
    // The update changes nothing; it makes the statement return the row that was there first.
    let key = sqlx::query_scalar!(
        "insert into task.page_token_keys (key)
         values ($1)
         on conflict ((true)) do update set key = page_token_keys.key
         returning key",
        candidate,
    );
    Ok(PageTokenKey::new(&key.fetch_one(db).await?))
}
