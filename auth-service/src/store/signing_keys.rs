//! `auth.signing_keys`: the sealed key pairs that sign access tokens. All times come from the
//! database's clock, which the instances share. Each change adds its row to the audit log.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::error::Error;
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::{
    key_schedule::{KeyPolicy, RotationReason, Schedule, StoredKey},
    signing_key::SealedSigningKey,
};

/// All keys, and the database's current time.
pub(crate) async fn list(db: &PgPool, policy: KeyPolicy) -> Result<Schedule, Error> {
    let rows = sqlx::query!(
        r#"select
            kid,
            sealed_private_key,
            number,
            create_time,
            activate_time,
            token_lifetime_seconds,
            revoke_time,
            current_timestamp as "now!"
         from auth.signing_keys"#
    )
    .fetch_all(db)
    .await?;
    // The time does not matter without keys.
    let now = rows.first().map_or(DateTime::<Utc>::UNIX_EPOCH, |row| row.now);
    let keys = rows.into_iter().map(|row| StoredKey {
        sealed: SealedSigningKey { kid: row.kid, private_key: row.sealed_private_key },
        number: row.number,
        create_time: row.create_time,
        activate_time: row.activate_time,
        token_lifetime: Duration::from_secs(row.token_lifetime_seconds.unsigned_abs().into()),
        revoke_time: row.revoke_time,
    });
    Ok(Schedule::new(keys.collect(), now, policy))
}

/// Inserts a key that becomes active after `lead`. Returns false if a key with this number exists.
pub(crate) async fn insert(
    db: &PgPool,
    key: &SealedSigningKey,
    number: i64,
    lead: Duration,
    token_lifetime: Duration,
    reason: RotationReason,
) -> Result<bool, Error> {
    let inserted = sqlx::query!(
        "with inserted as (
            insert into auth.signing_keys (
                kid, sealed_private_key, number, create_time, activate_time, token_lifetime_seconds
            )
            values ($1, $2, $3, current_timestamp, current_timestamp + $4, $5)
            on conflict do nothing
            returning kid
         )
         insert into auth.events (id, event, actor, details)
         select
            $6, 'signing_key_rotated', $7, jsonb_build_object('kid', kid, 'reason', $8::text)
         from inserted",
        key.kid,
        key.private_key,
        number,
        lead as _,
        whole_seconds(token_lifetime),
        Uuid::now_v7(),
        reason.actor().name(),
        reason.name(),
    )
    .execute(db)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// Activates a key earlier: `lead` after its creation, but not in the past. Returns false if it
/// would not become active earlier.
pub(crate) async fn promote(
    db: &PgPool,
    kid: &str,
    lead: Duration,
    reason: RotationReason,
) -> Result<bool, Error> {
    let promoted = sqlx::query!(
        "with promoted as (
            update auth.signing_keys
            set activate_time = greatest(current_timestamp, create_time + $2)
            where kid = $1
                and activate_time > greatest(current_timestamp, create_time + $2)
                and revoke_time is null
            returning kid
         )
         insert into auth.events (id, event, actor, details)
         select
            $3, 'signing_key_rotated', $4, jsonb_build_object('kid', kid, 'reason', $5::text)
         from promoted",
        kid,
        lead as _,
        Uuid::now_v7(),
        reason.actor().name(),
        reason.name(),
    )
    .execute(db)
    .await?;
    Ok(promoted.rows_affected() > 0)
}

/// Raises the recorded token lifetime of the keys, before they sign tokens that last so long.
pub(crate) async fn raise_token_lifetime(db: &PgPool, lifetime: Duration) -> Result<(), Error> {
    sqlx::query!(
        "update auth.signing_keys
         set token_lifetime_seconds = $1
         where token_lifetime_seconds < $1 and revoke_time is null",
        whole_seconds(lifetime),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Revokes a key and deletes its private half. Returns false if it does not exist or is revoked.
pub(crate) async fn revoke(db: &PgPool, kid: &str) -> Result<bool, Error> {
    let revoked = sqlx::query!(
        "with revoked as (
            update auth.signing_keys
            set revoke_time = current_timestamp, sealed_private_key = ''
            where kid = $1 and revoke_time is null
            returning kid
         )
         insert into auth.events (id, event, actor, details)
         select
            $2, 'signing_key_revoked', 'command',
            jsonb_build_object('kid', kid, 'reason', 'command')
         from revoked",
        kid,
        Uuid::now_v7(),
    )
    .execute(db)
    .await?;
    Ok(revoked.rows_affected() > 0)
}

/// Deletes a key.
pub(crate) async fn delete(db: &PgPool, kid: &str) -> Result<(), Error> {
    sqlx::query!(
        "delete from auth.signing_keys
         where kid = $1",
        kid,
    )
    .execute(db)
    .await?;
    Ok(())
}

fn whole_seconds(lifetime: Duration) -> i32 {
    lifetime.as_secs().try_into().expect("a token lasts minutes")
}
