//! The second factor in `auth.users`. Each statement decides under the lock of the user's row.

use chrono::{DateTime, Utc};
use shared::{db::WorkerPool, error::Error, ids::UserId};

use crate::domain::{second_factor::Proof, session::Caller};

/// The columns of the second factor, and the database's clock.
pub(crate) struct StoredTotp {
    /// `None` if no enrolment has begun.
    pub(crate) sealed_secret: Option<Vec<u8>>,
    pub(crate) is_enabled: bool,
    pub(crate) last_step: i64,
    pub(crate) recovery_code_hashes: Vec<Vec<u8>>,
    /// The time by which codes are checked: that of the clock on which all instances agree.
    pub(crate) read_time: DateTime<Utc>,
}

/// Finds the second factor of the account with this version.
pub(crate) async fn find(
    db: &WorkerPool,
    user_id: UserId,
    password_version: i32,
) -> Result<Option<StoredTotp>, Error> {
    let row = sqlx::query_as!(
        StoredTotp,
        r#"select
            totp_sealed_secret as sealed_secret,
            totp_enable_time is not null as "is_enabled!",
            totp_last_step as last_step,
            recovery_code_hashes,
            current_timestamp as "read_time!"
         from auth.users
         where id = $1 and password_version = $2"#,
        user_id.0,
        password_version,
    );
    Ok(row.fetch_optional(&mut *db.acquire().await?).await?)
}

/// Stores the secret of an enrolment, in place of an earlier one that was not confirmed.
///
/// # Errors
/// [`Error::Conflict`] if the account has changed, or the second factor is enabled.
pub(crate) async fn begin(
    db: &WorkerPool,
    user_id: UserId,
    password_version: i32,
    sealed_secret: &[u8],
) -> Result<(), Error> {
    let begun = sqlx::query!(
        "update auth.users
         set totp_sealed_secret = $3, totp_last_step = 0
         where id = $1 and password_version = $2 and totp_enable_time is null",
        user_id.0,
        password_version,
        sealed_secret,
    )
    .execute(&mut *db.acquire().await?)
    .await?;
    changed(begun.rows_affected())
}

/// Enables the second factor with this secret, whose code of this step was right, and ends the
/// caller's other sessions.
///
/// # Errors
/// [`Error::Conflict`] if the account or the secret has changed.
pub(crate) async fn enable(
    db: &WorkerPool,
    caller: &Caller,
    password_version: i32,
    sealed_secret: &[u8],
    step: i64,
    recovery_code_hashes: &[Vec<u8>],
) -> Result<(), Error> {
    let enabled = sqlx::query_scalar!(
        r#"with enabled as (
             update auth.users
             set totp_enable_time = current_timestamp,
                 totp_last_step = $5,
                 recovery_code_hashes = $6,
                 password_version = password_version + 1,
                 update_time = greatest(current_timestamp, update_time + interval '1 microsecond')
             where id = $1
                 and password_version = $3
                 and totp_enable_time is null
                 and totp_sealed_secret = $4
             returning id, password_version
         ),
         continued as (
             update auth.sessions
             set password_version = enabled.password_version
             from enabled
             where sessions.id = $2 and sessions.user_id = enabled.id
         ),
         ended as (
             delete from auth.sessions
             using enabled
             where sessions.user_id = enabled.id and sessions.id <> $2
         )
         select count(*) as "count!" from enabled"#,
        caller.id.0,
        caller.session_id.0,
        password_version,
        sealed_secret,
        step,
        recovery_code_hashes,
    )
    .fetch_one(&mut *db.acquire().await?)
    .await?;
    changed(enabled.unsigned_abs())
}

/// Disables the second factor, uses up `proof`, and ends the caller's other sessions.
///
/// # Errors
/// [`Error::Conflict`] if the account has changed or the proof has been used.
pub(crate) async fn disable(
    db: &WorkerPool,
    caller: &Caller,
    password_version: i32,
    proof: &Proof,
) -> Result<(), Error> {
    let (step, recovery_code) = proof.parts();
    let disabled = sqlx::query_scalar!(
        r#"with disabled as (
             update auth.users
             set totp_sealed_secret = null,
                 totp_enable_time = null,
                 totp_last_step = 0,
                 recovery_code_hashes = '{}',
                 password_version = password_version + 1,
                 update_time = greatest(current_timestamp, update_time + interval '1 microsecond')
             where id = $1
                 and password_version = $3
                 and totp_enable_time is not null
                 and (totp_last_step < $4 or $5 = any (recovery_code_hashes))
             returning id, password_version
         ),
         continued as (
             update auth.sessions
             set password_version = disabled.password_version
             from disabled
             where sessions.id = $2 and sessions.user_id = disabled.id
         ),
         ended as (
             delete from auth.sessions
             using disabled
             where sessions.user_id = disabled.id and sessions.id <> $2
         )
         select count(*) as "count!" from disabled"#,
        caller.id.0,
        caller.session_id.0,
        password_version,
        step,
        recovery_code,
    )
    .fetch_one(&mut *db.acquire().await?)
    .await?;
    changed(disabled.unsigned_abs())
}

/// Replaces the recovery codes, and uses up `proof`.
///
/// # Errors
/// [`Error::Conflict`] if the account has changed or the proof has been used.
pub(crate) async fn replace_recovery_codes(
    db: &WorkerPool,
    user_id: UserId,
    password_version: i32,
    proof: &Proof,
    hashes: &[Vec<u8>],
) -> Result<(), Error> {
    let (step, recovery_code) = proof.parts();
    let replaced = sqlx::query!(
        "update auth.users
         set recovery_code_hashes = $5, totp_last_step = coalesce($3, totp_last_step)
         where id = $1
             and password_version = $2
             and totp_enable_time is not null
             and (totp_last_step < $3 or $4 = any (recovery_code_hashes))",
        user_id.0,
        password_version,
        step,
        recovery_code,
        hashes,
    )
    .execute(&mut *db.acquire().await?)
    .await?;
    changed(replaced.rows_affected())
}

fn changed(rows: u64) -> Result<(), Error> {
    if rows == 0 {
        return Err(Error::Conflict("another call changed the account or used the code".into()));
    }
    Ok(())
}
