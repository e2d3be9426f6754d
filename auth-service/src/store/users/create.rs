//! Creates users on behalf of an administrator or a command.

use shared::{
    db::{self, WorkerPool},
    error::Error,
};
use uuid::Uuid;

use crate::domain::{
    actor::Actor,
    role::Roles,
    user::{NewUser, User, Username},
};

/// Creates all of these users or none, and writes one event each. Returns them in this order.
///
/// An administrator must still be one when the statement runs: hashing the passwords took its time.
///
/// # Errors
/// [`Error::AdminRequired`]; [`Error::UsernameTaken`], [`Error::UserIdTaken`], also if the id is
/// that of a purged user, or [`Error::RequestIdReused`] if one of their request ids has created a
/// user; if several apply, any.
pub(crate) async fn create(
    db: &WorkerPool,
    actor: &Actor,
    users: &[NewUser],
) -> Result<Vec<User>, Error> {
    let event_ids: Vec<_> = users.iter().map(|_| Uuid::now_v7()).collect();
    let ids: Vec<_> = users.iter().map(|user| user.id.0).collect();
    let usernames: Vec<_> = users.iter().map(|user| user.username.to_string()).collect();
    let hashes: Vec<_> = users.iter().map(|user| user.password_hash.as_str().to_owned()).collect();
    // PostgreSQL has no array of arrays of different lengths; no role contains a space.
    let roles: Vec<_> = users.iter().map(|user| user.roles.as_slice().join(" ")).collect();
    let disabled: Vec<_> = users.iter().map(|user| user.disabled).collect();
    let request_ids: Vec<_> = users.iter().map(|user| user.request_id).collect();
    let row = sqlx::query!(
        r#"with item as (
             select *
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bool[],
                     $7::uuid[])
                 as item (event_id, id, username, password_hash, roles, disabled, request_id)
         ),
         by as (
             select *
             from jsonb_to_record($8::text::jsonb) as actor (
                 actor text, actor_id uuid, session_id uuid, ip_address text, user_agent text
             )
             where actor = 'command' or exists (
                 select
                 from auth.sessions as s
                 join auth.users as u
                     on u.id = s.user_id and u.password_version = s.password_version
                 where s.id = actor.session_id
                     and u.id = actor.actor_id
                     and 'admin' = any (u.roles)
                     and not u.disabled
                     and u.delete_time is null
             )
         ),
         reused as (
             select from item
             where exists (select from auth.purged_users where user_id = item.id)
         ),
         created as (
             insert into auth.users (
                 id, username, password_hash, roles, disabled, create_time, update_time,
                 register_request_id
             )
             select
                 id, username, password_hash, string_to_array(roles, ' '), disabled,
                 current_timestamp, current_timestamp, request_id
             from item
             where exists (select from by) and not exists (select from reused)
             returning id
         ),
         logged as (
             insert into auth.events (
                 id, event, user_id, username, actor, actor_id, session_id, ip_address, user_agent,
                 details
             )
             select
                 item.event_id, 'user_created', item.id, item.username, by.actor, by.actor_id,
                 by.session_id, by.ip_address, by.user_agent,
                 jsonb_build_object('roles', item.roles)
             from item
             join created on created.id = item.id
             cross join by
         )
         select
             current_timestamp as "now!",
             exists (select from by) as "is_allowed!",
             exists (select from reused) as "is_reused!""#,
        &event_ids,
        &ids,
        &usernames,
        &hashes,
        &roles,
        &disabled,
        &request_ids as &[Option<Uuid>],
        super::actor_columns(actor),
    )
    .fetch_one(&mut *db.acquire().await?)
    .await
    .map_err(taken)?;
    if !row.is_allowed {
        return Err(Error::AdminRequired);
    }
    if row.is_reused {
        return Err(Error::UserIdTaken);
    }
    let create_time = row.now;
    let created = users.iter().map(|user| User {
        id: user.id,
        username: user.username.clone(),
        create_time,
        update_time: create_time,
        roles: user.roles.clone(),
        disabled: user.disabled,
        delete_time: None,
        purge_time: None,
        totp_enabled: false,
    });
    Ok(created.collect())
}

/// What a violated constraint means.
fn taken(error: sqlx::Error) -> Error {
    if db::violates(&error, "users_username_key") {
        Error::UsernameTaken
    } else if db::violates(&error, "users_pkey") {
        Error::UserIdTaken
    } else if db::violates(&error, "users_register_request_id_key") {
        Error::RequestIdReused
    } else {
        error.into()
    }
}

/// Finds the users that these request ids created, each with its request id, in no particular
/// order.
pub(crate) async fn find_by_request_ids(
    db: &WorkerPool,
    request_ids: &[Uuid],
) -> Result<Vec<(Uuid, User)>, Error> {
    let rows = sqlx::query!(
        r#"select
            register_request_id as "request_id!",
            id,
            username as "username: Username",
            create_time,
            update_time,
            roles as "roles: Roles",
            disabled,
            delete_time,
            purge_time,
            totp_enable_time is not null as "totp_enabled!"
         from auth.users
         where register_request_id = any ($1)"#,
        request_ids,
    );
    let rows = rows.fetch_all(&mut *db.acquire().await?).await?.into_iter();
    let found = rows.map(|row| {
        let user = User {
            id: row.id.into(),
            username: row.username,
            create_time: row.create_time,
            update_time: row.update_time,
            roles: row.roles,
            disabled: row.disabled,
            delete_time: row.delete_time,
            purge_time: row.purge_time,
            totp_enabled: row.totp_enabled,
        };
        (row.request_id, user)
    });
    Ok(found.collect())
}

/// Finds the first of these users whose username or id another user has, by its position, and why
/// it cannot be created. `None` if there is none any more.
pub(crate) async fn find_taken(
    db: &WorkerPool,
    users: &[NewUser],
) -> Result<Option<(usize, Error)>, Error> {
    let ids: Vec<_> = users.iter().map(|user| user.id.0).collect();
    let usernames: Vec<_> = users.iter().map(|user| user.username.to_string()).collect();
    let taken = sqlx::query!(
        r#"select
            item.number as "number!",
            exists (select from auth.users where username = item.username) as "is_username!"
         from unnest($1::uuid[], $2::text[]) with ordinality as item (id, username, number)
         where exists (select from auth.users where id = item.id or username = item.username)
             or exists (select from auth.purged_users where user_id = item.id)
         order by number
         limit 1"#,
        &ids,
        &usernames,
    );
    let taken = taken.fetch_optional(&mut *db.acquire().await?).await?;
    Ok(taken.map(|taken| {
        let index = usize::try_from(taken.number - 1).expect("ordinality begins with 1");
        (index, if taken.is_username { Error::UsernameTaken } else { Error::UserIdTaken })
    }))
}
