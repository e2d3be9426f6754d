//! `auth.users`: users and their password hashes. All times come from the database's clock.

use shared::{
    db::{self, WorkerPool},
    error::Error,
    ids::UserId,
};
use uuid::Uuid;

use crate::domain::{
    actor::Actor,
    password::PasswordHash,
    role::Roles,
    session::Caller,
    user::{Account, User, Username},
};

mod change;
mod create;
mod list;
mod revoke;
mod row;

pub(crate) use change::change;
pub(crate) use create::{create, find_by_request_ids, find_taken};
pub(crate) use list::list;
pub(crate) use revoke::revoke_sessions;
use row::AccountRow;

/// Inserts a user with the id of the request that registers them, and returns the user.
///
/// # Errors
/// [`Error::UsernameTaken`] if the name is taken, [`Error::RequestIdReused`] if the request has
/// registered a user; if both apply, either.
pub(crate) async fn insert(
    db: &WorkerPool,
    username: &Username,
    password_hash: &PasswordHash,
    request_id: Option<Uuid>,
) -> Result<User, Error> {
    let id = UserId::generate();
    let now = sqlx::query_scalar!(
        "insert into auth.users (
            id, username, password_hash, create_time, update_time, register_request_id
         )
         values ($1, $2, $3, current_timestamp, current_timestamp, $4)
         returning create_time",
        id.0,
        username as _,
        password_hash.as_str(),
        request_id,
    )
    .fetch_one(&mut *db.acquire().await?)
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
    Ok(User {
        id,
        username: username.clone(),
        create_time: now,
        update_time: now,
        roles: Roles::default(),
        disabled: false,
        delete_time: None,
        purge_time: None,
    })
}

/// Finds the account that the request with this id registered.
pub(crate) async fn find_by_register_request(
    db: &WorkerPool,
    request_id: Uuid,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select
            id,
            username as "username: Username",
            create_time,
            update_time,
            roles as "roles: Roles",
            disabled,
            delete_time,
            purge_time,
            password_hash,
            password_version
         from auth.users
         where register_request_id = $1"#,
        request_id,
    );
    Ok(row.fetch_optional(&mut *db.acquire().await?).await?.map(Account::from))
}

/// Finds the caller's account, if the caller's session has not ended.
pub(crate) async fn find_by_session(
    db: &WorkerPool,
    caller: &Caller,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select
            u.id,
            u.username as "username: Username",
            u.create_time,
            u.update_time,
            u.roles as "roles: Roles",
            u.disabled,
            u.delete_time,
            u.purge_time,
            u.password_hash,
            u.password_version
         from auth.users as u
         join auth.sessions as s on s.user_id = u.id and s.password_version = u.password_version
         where u.id = $1 and s.id = $2 and s.expire_time > current_timestamp
             and not u.disabled and u.delete_time is null"#,
        caller.id.0,
        caller.session_id.0,
    );
    Ok(row.fetch_optional(&mut *db.acquire().await?).await?.map(Account::from))
}

/// Finds the account with this name.
pub(crate) async fn find_by_username(
    db: &WorkerPool,
    username: &Username,
) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select
            id,
            username as "username: Username",
            create_time,
            update_time,
            roles as "roles: Roles",
            disabled,
            delete_time,
            purge_time,
            password_hash,
            password_version
         from auth.users
         where username = $1"#,
        username as _,
    );
    Ok(row.fetch_optional(&mut *db.acquire().await?).await?.map(Account::from))
}

/// Finds the account with this id.
pub(crate) async fn find(db: &WorkerPool, id: UserId) -> Result<Option<Account>, Error> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select
            id,
            username as "username: Username",
            create_time,
            update_time,
            roles as "roles: Roles",
            disabled,
            delete_time,
            purge_time,
            password_hash,
            password_version
         from auth.users
         where id = $1"#,
        id.0,
    );
    Ok(row.fetch_optional(&mut *db.acquire().await?).await?.map(Account::from))
}

/// Replaces the hash of the same password, unless the password has changed since.
pub(crate) async fn upgrade_hash(
    db: &WorkerPool,
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
    .execute(&mut *db.acquire().await?)
    .await?;
    Ok(())
}

/// Replaces the caller's password and ends their other sessions.
///
/// # Errors
/// [`Error::Conflict`] if the password no longer has this version.
pub(crate) async fn change_password(
    db: &WorkerPool,
    caller: &Caller,
    version: i32,
    new: &PasswordHash,
) -> Result<(), Error> {
    let changed = sqlx::query_scalar!(
        r#"with changed as (
             update auth.users
             set password_hash = $4,
                 password_version = password_version + 1,
                 -- The etag is made of it.
                 update_time = greatest(current_timestamp, update_time + interval '1 microsecond')
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
    )
    .fetch_one(&mut *db.acquire().await?)
    .await?;
    if changed == 0 {
        return Err(Error::Conflict("another call changed the password".into()));
    }
    Ok(())
}

/// The columns of `auth.events` that describe the actor, as the JSON object that statements read.
pub(super) fn actor_columns(actor: &Actor) -> String {
    serde_json::to_string(&actor.columns()).expect("it is plain data")
}
