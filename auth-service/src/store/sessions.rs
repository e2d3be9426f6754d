//! `auth.sessions`: one row per login. Ending a session deletes its row. All times come from the
//! database's clock, so that an instance with a wrong clock ends no session.

use shared::{
    db::WorkerPool,
    error::Error,
    ids::{SessionId, UserId},
};

use crate::domain::{
    refresh_token::RefreshToken,
    role::Roles,
    session::{ActiveSession, Cursor, NewSession, Refreshed, Session, SessionPolicy, UserAgent},
    user::{Account, Username},
};

/// The generation of a session's first refresh token. Its `previous_generation`, 0, has no token.
const FIRST_GENERATION: i64 = 1;
/// How often a refresh is tried while concurrent refreshes of the session change its row.
const ATTEMPTS: usize = 3;

/// Begins a session for an account whose password was verified. Deletes the user's
/// expired sessions and, above the limit, the least recently refreshed ones.
///
/// # Errors
/// [`Error::CredentialsInvalid`] if the password or the roles have changed since, or the user was
/// disabled or deleted.
pub(crate) async fn insert(
    db: &WorkerPool,
    session: &NewSession,
    account: &Account,
    policy: SessionPolicy,
) -> Result<ActiveSession, Error> {
    let expire_time = sqlx::query_scalar!(
        "with forgotten as (
             delete from auth.sessions
             where user_id = $2
                 and (
                     expire_time <= current_timestamp
                     or id in (
                         select id
                         from auth.sessions
                         where user_id = $2 and expire_time > current_timestamp
                         order by last_refresh_time desc, id desc
                         offset $8
                     )
                 )
         )
         insert into auth.sessions (
             id, user_id, password_version, generation, previous_generation, rotate_time,
             create_time, last_refresh_time, expire_time, absolute_expire_time, user_agent,
             ip_address
         )
         select
             $1, id, password_version, $3, 0, current_timestamp,
             current_timestamp, current_timestamp, current_timestamp + $4, current_timestamp + $5,
             $6, $7
         from auth.users
         where id = $2 and password_version = $9 and not disabled and delete_time is null
         returning expire_time",
        session.id.0,
        session.user_id.0,
        FIRST_GENERATION,
        policy.idle.min(policy.absolute) as _,
        policy.absolute as _,
        &session.source.user_agent as _,
        session.source.ip_address.to_string(),
        i64::from(policy.max_per_user) - 1,
        account.password_version,
    )
    .fetch_optional(&mut *db.acquire().await?)
    .await?
    .ok_or(Error::CredentialsInvalid)?;
    Ok(ActiveSession {
        user_id: session.user_id,
        session_id: session.id,
        roles: account.user.roles.clone(),
        generation: FIRST_GENERATION,
        expire_time,
    })
}

/// Refreshes a session, or ends it if its token was reused.
///
/// # Errors
/// [`Error::RefreshTokenInvalid`], [`Error::RefreshTokenExpired`]; [`Error::Conflict`] if
/// concurrent refreshes keep changing the session.
pub(crate) async fn refresh(
    db: &WorkerPool,
    token: RefreshToken,
    policy: SessionPolicy,
) -> Result<Refreshed, Error> {
    for _ in 0..ATTEMPTS {
        if let Some(refreshed) = try_refresh(db, token, policy).await? {
            return Ok(refreshed);
        }
    }
    Err(Error::Conflict("concurrent refreshes changed the session".into()))
}

/// Compares the token's generation with the row, under the row's lock:
/// 1. Current: the next generation becomes current.
/// 2. Previous, and replaced within the reuse window: the current generation stays current.
/// 3. Previous, and replaced before the window: the client never received the current token. The
///    next generation becomes current, and the lost one never becomes the previous one.
/// 4. Any other: a copy of the token was used. The session ends.
///
/// `None` if the row changed between the statement's snapshot and its lock.
async fn try_refresh(
    db: &WorkerPool,
    token: RefreshToken,
    policy: SessionPolicy,
) -> Result<Option<Refreshed>, Error> {
    let row = sqlx::query!(
        r#"with refreshed as (
             update auth.sessions as s
             set generation = s.generation
                     + (s.generation = $2 or s.rotate_time + $3 <= current_timestamp)::int,
                 previous_generation = $2,
                 rotate_time = case
                     when s.generation = $2 or s.rotate_time + $3 <= current_timestamp
                         then current_timestamp
                     else s.rotate_time
                 end,
                 last_refresh_time = current_timestamp,
                 expire_time = least(current_timestamp + $4, s.absolute_expire_time)
             from auth.users as u
             where s.id = $1
                 and s.expire_time > current_timestamp
                 and $2 in (s.generation, s.previous_generation)
                 and u.id = s.user_id
                 and u.password_version = s.password_version
                 and not u.disabled
                 and u.delete_time is null
             returning s.generation, s.expire_time, u.roles
         ),
         ended as (
             delete from auth.sessions
             where id = $1
                 and expire_time > current_timestamp
                 and $2 not in (generation, previous_generation)
             returning id
         )
         select
             s.user_id,
             u.username as "username: Username",
             refreshed.generation as "generation?",
             refreshed.expire_time as "expire_time?",
             refreshed.roles as "roles?: Roles",
             exists (select from ended) as "is_reused!",
             s.expire_time <= current_timestamp as "is_expired!",
             u.password_version <> s.password_version or u.disabled or u.delete_time is not null
                 as "is_revoked!"
         from auth.sessions as s
         join auth.users as u on u.id = s.user_id
         left join refreshed on true
         where s.id = $1"#,
        token.session_id.0,
        token.generation,
        policy.reuse as _,
        policy.idle as _,
    )
    .fetch_optional(&mut *db.acquire().await?)
    .await?
    .ok_or(Error::RefreshTokenInvalid)?;
    match row.generation.zip(row.expire_time) {
        Some((generation, expire_time)) => {
            let (user_id, session_id) = (row.user_id.into(), token.session_id);
            let roles = row.roles.unwrap_or_default();
            let active = ActiveSession { user_id, session_id, roles, generation, expire_time };
            Ok(Some(Refreshed::Active(active)))
        }
        None if row.is_reused => {
            let (user_id, username) = (row.user_id.into(), row.username);
            Ok(Some(Refreshed::Reused { user_id, username }))
        }
        None if row.is_expired => Err(Error::RefreshTokenExpired),
        None if row.is_revoked => Err(Error::RefreshTokenInvalid),
        None => Ok(None),
    }
}

/// Lists at most `limit` of the user's sessions after `cursor`, newest first.
pub(crate) async fn list(
    db: &WorkerPool,
    user_id: UserId,
    cursor: Cursor,
    limit: usize,
) -> Result<Vec<Session>, Error> {
    let rows = sqlx::query_as!(
        Session,
        r#"select
            s.id,
            s.create_time,
            s.last_refresh_time,
            s.expire_time,
            s.user_agent as "user_agent: UserAgent",
            s.ip_address
         from auth.sessions as s
         join auth.users as u on u.id = s.user_id and u.password_version = s.password_version
         where s.user_id = $1
             and (s.create_time, s.id) < ($2, $3)
             and s.expire_time > current_timestamp
         order by s.create_time desc, s.id desc
         limit $4"#,
        user_id.0,
        cursor.create_time,
        cursor.id,
        i64::try_from(limit).expect("a page is small"),
    );
    Ok(rows.fetch_all(&mut *db.acquire().await?).await?)
}

/// Ends a session of the user. Returns false if [`list`] does not show it.
pub(crate) async fn delete(db: &WorkerPool, user_id: UserId, id: SessionId) -> Result<bool, Error> {
    let deleted = sqlx::query!(
        "delete from auth.sessions as s
         using auth.users as u
         where s.user_id = $1 and s.id = $2 and s.expire_time > current_timestamp
             and u.id = s.user_id and u.password_version = s.password_version",
        user_id.0,
        id.0,
    )
    .execute(&mut *db.acquire().await?)
    .await?;
    Ok(deleted.rows_affected() > 0)
}

/// Ends all sessions of the user that [`list`] shows, except `kept`. Returns their number.
pub(crate) async fn delete_others(
    db: &WorkerPool,
    user_id: UserId,
    kept: SessionId,
) -> Result<u64, Error> {
    let deleted = sqlx::query!(
        "delete from auth.sessions as s
         using auth.users as u
         where s.user_id = $1 and s.id <> $2 and s.expire_time > current_timestamp
             and u.id = s.user_id and u.password_version = s.password_version",
        user_id.0,
        kept.0,
    )
    .execute(&mut *db.acquire().await?)
    .await?;
    Ok(deleted.rows_affected())
}
