//! Ends the sessions of a user on behalf of an administrator or a command.

use shared::{db::WorkerPool, error::Error, ids::UserId};
use uuid::Uuid;

use crate::domain::actor::Actor;

/// Ends all sessions of the user on behalf of `actor`, also those that begin at the same time, and
/// writes an event. Returns the number of those that `sessions::list` shows.
///
/// # Errors
/// [`Error::UserNotFound`]
pub(crate) async fn revoke_sessions(
    db: &WorkerPool,
    actor: &Actor,
    user_id: UserId,
) -> Result<i64, Error> {
    let revoked = sqlx::query_scalar!(
        r#"with before as (
             select id, username, password_version
             from auth.users
             where id = $1
             for no key update
         ),
         revoked as (
             update auth.users
             set password_version = users.password_version + 1
             from before
             where users.id = before.id
         ),
         ended as (
             delete from auth.sessions as s
             using before
             where s.user_id = before.id
             returning s.expire_time > current_timestamp
                 and s.password_version = before.password_version as is_live
         ),
         logged as (
             insert into auth.events (
                 id, event, user_id, username, actor, actor_id, session_id, ip_address, user_agent
             )
             select
                 $2, 'user_sessions_revoked', before.id, before.username, actor.actor,
                 actor.actor_id, actor.session_id, actor.ip_address, actor.user_agent
             from before
             cross join jsonb_to_record($3::text::jsonb) as actor (
                 actor text, actor_id uuid, session_id uuid, ip_address text, user_agent text
             )
         )
         select (select count(*) from ended where is_live) as "revoked!"
         from before"#,
        user_id.0,
        Uuid::now_v7(),
        super::actor_columns(actor),
    );
    let revoked = revoked.fetch_optional(&mut *db.acquire().await?).await?;
    revoked.ok_or(Error::UserNotFound)
}
