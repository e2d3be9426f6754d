//! Replaces the password of a user with a reset token.

use shared::{db::WorkerPool, error::Error};

use crate::domain::{password::PasswordHash, user::Account};

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
