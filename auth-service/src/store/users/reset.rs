//! Resets of a password with a token, and what an administrator does for a user who lost the
//! password or the second factor.

use shared::{db::WorkerPool, error::Error, ids::UserId};
use uuid::Uuid;

use super::actor_columns;
use crate::domain::{actor::Actor, password::PasswordHash, user::Account};

/// Replaces the password and ends all sessions. Returns false if the account has changed.
pub(crate) async fn reset_password(
    db: &WorkerPool,
    account: &Account,
    new: &PasswordHash,
) -> Result<bool, Error> {
    let reset = sqlx::query_scalar!(
        r#"with reset as (
             update auth.users
             set password_hash = $3,
                 password_version = password_version + 1,
                 update_time = greatest(current_timestamp, update_time + interval '1 microsecond')
             where id = $1 and password_version = $2 and not disabled and delete_time is null
             returning id
         ),
         ended as (
             delete from auth.sessions
             using reset
             where sessions.user_id = reset.id
         )
         select exists (select from reset) as "reset!""#,
        account.user.id.0,
        account.password_version,
        new.as_str(),
    )
    .fetch_one(&mut *db.acquire().await?)
    .await?;
    Ok(reset)
}

/// Sets a password on behalf of an operator, ends all sessions and writes an event.
///
/// # Errors
/// [`Error::UserNotFound`], also if the user is deleted.
pub(crate) async fn set_password(
    db: &WorkerPool,
    actor: &Actor,
    user_id: UserId,
    new: &PasswordHash,
) -> Result<(), Error> {
    let was_set = sqlx::query_scalar!(
        r#"with reset as (
             update auth.users
             set password_hash = $2,
                 password_version = password_version + 1,
                 update_time = greatest(current_timestamp, update_time + interval '1 microsecond')
             where id = $1 and delete_time is null
             returning id, username
         ),
         ended as (
             delete from auth.sessions
             using reset
             where sessions.user_id = reset.id
         ),
         logged as (
             insert into auth.events (
                 id, event, user_id, username, actor, actor_id, session_id, ip_address, user_agent
             )
             select
                 $3, 'password_reset', reset.id, reset.username, actor.actor, actor.actor_id,
                 actor.session_id, actor.ip_address, actor.user_agent
             from reset
             cross join jsonb_to_record($4::text::jsonb) as actor (
                 actor text, actor_id uuid, session_id uuid, ip_address text, user_agent text
             )
         )
         select exists (select from reset) as "reset!""#,
        user_id.0,
        new.as_str(),
        Uuid::now_v7(),
        actor_columns(actor),
    )
    .fetch_one(&mut *db.acquire().await?)
    .await?;
    if was_set { Ok(()) } else { Err(Error::UserNotFound) }
}

/// Writes the event of a new reset token, and returns the version of the account for the token.
///
/// # Errors
/// [`Error::UserNotFound`], [`Error::UserDeleted`]
pub(crate) async fn record_token(
    db: &WorkerPool,
    actor: &Actor,
    user_id: UserId,
) -> Result<i32, Error> {
    let row = sqlx::query!(
        r#"with target as (
             select id, username, password_version, delete_time
             from auth.users
             where id = $1
         ),
         logged as (
             insert into auth.events (
                 id, event, user_id, username, actor, actor_id, session_id, ip_address, user_agent
             )
             select
                 $2, 'password_reset_token_created', target.id, target.username, actor.actor,
                 actor.actor_id, actor.session_id, actor.ip_address, actor.user_agent
             from target
             cross join jsonb_to_record($3::text::jsonb) as actor (
                 actor text, actor_id uuid, session_id uuid, ip_address text, user_agent text
             )
             where target.delete_time is null
         )
         select password_version, delete_time is not null as "is_deleted!" from target"#,
        user_id.0,
        Uuid::now_v7(),
        actor_columns(actor),
    )
    .fetch_optional(&mut *db.acquire().await?)
    .await?
    .ok_or(Error::UserNotFound)?;
    if row.is_deleted { Err(Error::UserDeleted) } else { Ok(row.password_version) }
}

/// Disables the second factor of a user, ends all sessions, also those that begin at the same time,
/// and writes an event.
///
/// # Errors
/// [`Error::UserNotFound`], [`Error::UserDeleted`], [`Error::TotpNotEnabled`]
pub(crate) async fn reset_totp(
    db: &WorkerPool,
    actor: &Actor,
    user_id: UserId,
) -> Result<(), Error> {
    let row = sqlx::query!(
        r#"with before as (
             select id, username, totp_enable_time, delete_time
             from auth.users
             where id = $1
             for no key update
         ),
         reset as (
             update auth.users as u
             set totp_sealed_secret = null,
                 totp_enable_time = null,
                 totp_last_step = 0,
                 recovery_code_hashes = '{}',
                 password_version = u.password_version + 1,
                 update_time = greatest(current_timestamp, u.update_time + interval '1 microsecond')
             from before
             where u.id = before.id
                 and before.totp_enable_time is not null
                 and before.delete_time is null
             returning u.id, u.username
         ),
         ended as (
             delete from auth.sessions
             using reset
             where sessions.user_id = reset.id
         ),
         logged as (
             insert into auth.events (
                 id, event, user_id, username, actor, actor_id, session_id, ip_address, user_agent
             )
             select
                 $2, 'totp_reset', reset.id, reset.username, actor.actor,
                 actor.actor_id, actor.session_id, actor.ip_address, actor.user_agent
             from reset
             cross join jsonb_to_record($3::text::jsonb) as actor (
                 actor text, actor_id uuid, session_id uuid, ip_address text, user_agent text
             )
         )
         select
             delete_time is not null as "is_deleted!",
             totp_enable_time is not null as "was_enabled!"
         from before"#,
        user_id.0,
        Uuid::now_v7(),
        actor_columns(actor),
    )
    .fetch_optional(&mut *db.acquire().await?)
    .await?
    .ok_or(Error::UserNotFound)?;
    match row {
        row if row.is_deleted => Err(Error::UserDeleted),
        row if row.was_enabled => Ok(()),
        _ => Err(Error::TotpNotEnabled),
    }
}
