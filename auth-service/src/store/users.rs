//! `auth.users`: people and the hashes of their passwords.

use chrono::{DateTime, Utc};
use shared::{
    auth::Caller,
    db,
    error::Error,
    ids::{SessionId, UserId},
};
use sqlx::PgPool;

use crate::domain::{
    password::PasswordHash,
    user::{User, Username},
};

/// Keeps a new user.
///
/// # Errors
/// [`Error::UsernameTaken`] if somebody has the name.
pub(crate) async fn insert(
    db: &PgPool,
    user: &User,
    password_hash: &PasswordHash,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into auth.users (id, username, password_hash, create_time, update_time)
         values ($1, $2, $3, $4, $5)",
        user.id as _,
        user.username as _,
        password_hash.as_str(),
        user.create_time,
        user.update_time,
    )
    .execute(db)
    .await
    .map_err(|error| {
        if db::violates(&error, "users_username_key") { Error::UsernameTaken } else { error.into() }
    })?;
    Ok(())
}

/// The user of this id, if this session of theirs goes on, and the stored text of their password's
/// hash.
pub(crate) async fn find_by_session(
    db: &PgPool,
    id: UserId,
    session_id: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<(User, String)>, Error> {
    let row = sqlx::query!(
        r#"select
            u.id as "id: UserId",
            u.username as "username: Username",
            u.password_hash,
            u.create_time,
            u.update_time
         from auth.users as u
         join auth.sessions as s on s.user_id = u.id and s.password_version = u.password_version
         where u.id = $1 and s.id = $2 and s.expire_time > $3"#,
        id as _,
        session_id as _,
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let (id, username) = (row.id, row.username);
        let user =
            User { id, username, create_time: row.create_time, update_time: row.update_time };
        (user, row.password_hash)
    }))
}

/// Keeps another hash of the same password, unless the password was changed meanwhile.
pub(crate) async fn upgrade_hash(
    db: &PgPool,
    id: UserId,
    old: &str,
    new: &PasswordHash,
) -> Result<(), Error> {
    sqlx::query!(
        "update auth.users
         set password_hash = $3
         where id = $1 and password_hash = $2",
        id as _,
        old,
        new.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces the caller's password and ends their sessions but the one that calls.
///
/// # Errors
/// [`Error::Conflict`] if the password is no longer the one whose hash is `old`.
pub(crate) async fn change_password(
    db: &PgPool,
    caller: &Caller,
    old: &str,
    new: &PasswordHash,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let changed = sqlx::query_scalar!(
        r#"with changed as (
             update auth.users
             set password_hash = $4, password_version = password_version + 1, update_time = $5
             where id = $1 and password_hash = $3
             returning id, password_version
         ),
         continued as (
             update auth.sessions
             set password_version = changed.password_version
             from changed
             where sessions.id = $2 and sessions.user_id = changed.id
         ),
         ended as (
             delete from auth.sessions
             using changed
             where sessions.user_id = changed.id and sessions.id <> $2
         )
         select count(*) as "count!" from changed"#,
        caller.id as _,
        caller.session_id as _,
        old,
        new.as_str(),
        now,
    )
    .fetch_one(db)
    .await?;
    if changed == 0 {
        return Err(Error::Conflict("the password was changed by another call".into()));
    }
    Ok(())
}

/// The user of this name and the stored text of their password's hash.
pub(crate) async fn find_by_username(
    db: &PgPool,
    username: &Username,
) -> Result<Option<(User, String)>, Error> {
    let row = sqlx::query!(
        r#"select
            id as "id: UserId",
            username as "username: Username",
            password_hash,
            create_time,
            update_time
         from auth.users
         where username = $1"#,
        username as _,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let (id, username) = (row.id, row.username);
        let user =
            User { id, username, create_time: row.create_time, update_time: row.update_time };
        (user, row.password_hash)
    }))
}
