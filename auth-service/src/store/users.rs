//! `auth.users`: people and the hashes of their passwords.

use shared::{db, error::Error, ids::UserId};
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

/// The user of this id.
pub(crate) async fn find(db: &PgPool, id: UserId) -> Result<Option<User>, Error> {
    let row = sqlx::query_as!(
        User,
        r#"select id as "id: UserId", username as "username: Username", create_time, update_time
         from auth.users
         where id = $1"#,
        id as _,
    );
    Ok(row.fetch_optional(db).await?)
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
