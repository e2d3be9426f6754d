//! `task.page_token_keys`: the key with which all replicas seal page tokens.

use shared::{error::Error, page::PageTokenKey};
use sqlx::{PgConnection, PgExecutor};

/// The stored key, if any.
pub(crate) async fn find(db: impl PgExecutor<'_>) -> Result<Option<PageTokenKey>, Error> {
    let key = sqlx::query_scalar!("select key from task.page_token_keys");
    Ok(key.fetch_optional(db).await?.map(|key| PageTokenKey::new(&key)))
}

/// The stored key. If there is none, stores `candidate`.
pub(crate) async fn find_or_insert(
    db: &mut PgConnection,
    candidate: &[u8; 32],
) -> Result<PageTokenKey, Error> {
    // First without a write: a standby rejects writes.
    if let Some(key) = find(&mut *db).await? {
        return Ok(key);
    }
    // The update changes nothing: without it, the statement returns no row on a conflict.
    let key = sqlx::query_scalar!(
        "insert into task.page_token_keys (key)
         values ($1)
         on conflict ((true)) do update set key = page_token_keys.key
         returning key",
        candidate,
    );
    Ok(PageTokenKey::new(&key.fetch_one(db).await?))
}
