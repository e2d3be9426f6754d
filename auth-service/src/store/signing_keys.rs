//! `auth.signing_keys`: the key pair that signs access tokens, sealed.

use chrono::{DateTime, Utc};
use shared::error::Error;
use sqlx::PgPool;

use crate::domain::signing_key::SealedSigningKey;

/// The key pair, if one was made.
pub(crate) async fn find(db: &PgPool) -> Result<Option<SealedSigningKey>, Error> {
    let row = sqlx::query_as!(
        SealedSigningKey,
        "select kid, sealed_private_key as private_key
         from auth.signing_keys"
    );
    Ok(row.fetch_optional(db).await?)
}

/// Keeps a new key pair, unless there is one: then nothing changes.
pub(crate) async fn insert(
    db: &PgPool,
    key: &SealedSigningKey,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into auth.signing_keys (kid, sealed_private_key, create_time)
         values ($1, $2, $3)
         on conflict do nothing",
        key.kid,
        key.private_key,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
