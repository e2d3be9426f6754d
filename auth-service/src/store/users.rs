//! `auth.users`: users and their password hashes.

use chrono::{DateTime, Utc};
use shared::{auth::Caller, db, error::Error, ids::UserId};
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::{
    password::PasswordHash,
    user::{Account, User, Username},
};

/// Inserts a user with the id of the request that registers them.
///
/// # Errors
/// [`Error::UsernameTaken`] if the name is taken, [`Error::RequestIdReused`] if the request has
/// registered a user; if both apply, either.
pub(crate) async fn insert(
    db: &PgPool,
    user: &User,
    password_hash: &PasswordHash,
    request_id: Option<Uuid>,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into auth.users (
            id, username, password_hash, create_time, update_time, register_request_id
         )
         values ($1, $2, $3, $4, $5, $6)",
        user.id.0,
        user.username as _,
        password_hash.as_str(),
        user.create_time,
        user.update_time,
        request_id,
    )
    .execute(db)
    .await
    .map_err(|error| {
        if db::violates(&error, "users_username_key") {
            Error::UsernameTaken
        } else if db::violates(&error, "users_register_request_id_key") {
            Error::RequestIdReused
        } else {
            error.into()
        }
    })?;
    Ok(())
}

/// Finds the account that the request with this id registered.
pub(crate) async fn find_by_register_request(
    db: &PgPool,
    request_id: Uuid,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select
            id,
            username as "username: Username",
            create_time,
            update_time,
            password_hash,
            password_version
         from auth.users
         where register_request_id = $1"#,
        request_id,
    );
    Ok(row.fetch_optional(db).await?.map(Account::from))
}

/// Finds the caller's account, if the caller's session has not ended.
pub(crate) async fn find_by_session(
    db: &PgPool,
    caller: &Caller,
    now: DateTime<Utc>,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select
            u.id,
            u.username as "username: Username",
            u.create_time,
            u.update_time,
            u.password_hash,
            u.password_version
         from auth.users as u
         join auth.sessions as s on s.user_id = u.id and s.password_version = u.password_version
         where u.id = $1 and s.id = $2 and s.expire_time > $3"#,
        caller.id.0,
        caller.session_id.0,
        now,
    );
    Ok(row.fetch_optional(db).await?.map(Account::from))
}

/// Finds the account with this name.
pub(crate) async fn find_by_username(
    db: &PgPool,
    username: &Username,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select
            id,
            username as "username: Username",
            create_time,
            update_time,
            password_hash,
            password_version
         from auth.users
         where username = $1"#,
        username as _,
    );
    Ok(row.fetch_optional(db).await?.map(Account::from))
}

/// Replaces the hash of the same password, unless the password has changed since.
pub(crate) async fn upgrade_hash(
    db: &PgPool,
    account: &Account,
    new: &PasswordHash,
) -> Result<(), Error> {
    sqlx::query!(
        "update auth.users
         set password_hash = $3
         where id = $1 and password_version = $2",
        account.user.id.0,
        account.password_version,
        new.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Replaces the caller's password and ends their other sessions.
///
/// # Errors
/// [`Error::Conflict`] if the password no longer has this version.
pub(crate) async fn change_password(
    db: &PgPool,
    caller: &Caller,
    version: i32,
    new: &PasswordHash,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let changed = sqlx::query_scalar!(
        r#"with changed as (
             update auth.users
             set password_hash = $4, password_version = password_version + 1, update_time = $5
             where id = $1 and password_version = $3
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
        caller.id.0,
        caller.session_id.0,
        version,
        new.as_str(),
        now,
    )
    .fetch_one(db)
    .await?;
    if changed == 0 {
        return Err(Error::Conflict("another call changed the password".into()));
    }
    Ok(())
}

struct AccountRow {
    id: UserId,
    username: Username,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
    password_hash: String,
    password_version: i32,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let AccountRow { id, username, create_time, update_time, password_hash, password_version } =
            row;
        let user = User { id, username, create_time, update_time };
        Self { user, password_hash, password_version }
    }
}
