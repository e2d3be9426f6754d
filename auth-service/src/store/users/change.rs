//! Changes, deletes and restores users on behalf of an administrator or a command.

use std::time::Duration;

use shared::{
    db::{self, WorkerPool},
    error::Error,
    etag::Etag,
};
use uuid::Uuid;

use crate::domain::{
    actor::Actor,
    role::Roles,
    user::{Change, Target, User, Username},
};

/// A user after a change.
pub(crate) struct Changed {
    pub(crate) user: User,
    /// The names of the events that the change has written; none if it changed nothing.
    pub(crate) events: Vec<String>,
}

/// Changes a user and writes one event for each field that changes. A change of the roles, of
/// `disabled` or of the deletion ends all sessions, also those that begin at the same time. A
/// deleted user can be purged after `retention`.
///
/// A change that can demote first locks the target and all enabled administrators, in the order of
/// their ids. A statement that waits for such a lock reads the rows again afterwards, so of two
/// that demote the last two administrators, the second sees only one.
///
/// # Errors
/// [`Error::UserNotFound`], [`Error::UserDeleted`], [`Error::UserNotDeleted`],
/// [`Error::EtagMismatch`], [`Error::LastAdministrator`], [`Error::UsernameTaken`].
#[expect(clippy::too_many_lines, reason = "it is one statement")]
pub(crate) async fn change(
    db: &WorkerPool,
    actor: &Actor,
    target: Target,
    change: &Change,
    retention: Duration,
) -> Result<Changed, Error> {
    let event_ids: [Uuid; 4] = std::array::from_fn(|_| Uuid::now_v7());
    let row = sqlx::query!(
        r#"with locked as (
             select
                 id, username, roles, disabled, create_time, update_time, delete_time, purge_time,
                 totp_enable_time
             from auth.users
             where id = $1
                 or ($2 and 'admin' = any (roles) and not disabled and delete_time is null)
             order by id
             for no key update
         ),
         wanted as (
             select
                 *,
                 coalesce($3, username) as new_username,
                 coalesce($4, roles) as new_roles,
                 coalesce($5, disabled) as new_disabled,
                 coalesce($6, delete_time is not null) as new_deleted,
                 'admin' = any (roles) and not disabled and delete_time is null as is_admin
             from locked
             where id = $1
         ),
         decided as (
             select
                 *,
                 new_username <> username as renames,
                 new_roles <> roles as changes_roles,
                 new_disabled <> disabled as changes_disabled,
                 new_deleted <> (delete_time is not null) as changes_deleted,
                 case
                     when delete_time is not null and $6 is distinct from false then 'deleted'
                     when delete_time is null and not $6 then 'not deleted'
                     when (extract(epoch from update_time) * 1000000)::bigint <> $7
                         then 'etag mismatch'
                     when is_admin
                         and ('admin' <> all (new_roles) or new_disabled or new_deleted)
                         and not exists (select from locked as other where other.id <> wanted.id)
                         then 'last administrator'
                 end as refusal
             from wanted
         ),
         changed as (
             update auth.users as u
             set username = new_username,
                 roles = new_roles,
                 disabled = new_disabled,
                 delete_time = case
                     when changes_deleted and new_deleted then current_timestamp
                     when not changes_deleted then u.delete_time
                 end,
                 purge_time = case
                     when changes_deleted and new_deleted then current_timestamp + $8
                     when not changes_deleted then u.purge_time
                 end,
                 password_version = password_version
                     + (changes_roles or changes_disabled or changes_deleted)::int,
                 update_time =
                     greatest(current_timestamp, u.update_time + interval '1 microsecond')
             from decided
             where u.id = decided.id
                 and refusal is null
                 and (renames or changes_roles or changes_disabled or changes_deleted)
             returning u.id, u.username, u.update_time, u.delete_time, u.purge_time
         ),
         ended as (
             delete from auth.sessions
             using changed, decided
             where sessions.user_id = changed.id
                 and (changes_roles or changes_disabled or changes_deleted)
         ),
         logged as (
             insert into auth.events (
                 id, event, user_id, username, actor, actor_id, session_id, ip_address, user_agent,
                 details
             )
             select
                 event.id, event.name, changed.id, changed.username, actor.actor, actor.actor_id,
                 actor.session_id, actor.ip_address, actor.user_agent, event.details
             from changed
             cross join decided
             cross join jsonb_to_record($9::text::jsonb) as actor (
                 actor text, actor_id uuid, session_id uuid, ip_address text, user_agent text
             )
             cross join lateral (
                 values
                     (
                         $10::uuid, 'user_renamed', renames,
                         jsonb_build_object('previous_username', decided.username)
                     ),
                     (
                         $11::uuid, 'user_roles_changed', changes_roles,
                         jsonb_build_object('roles', array_to_string(new_roles, ' '))
                     ),
                     (
                         $12::uuid,
                         case when new_disabled then 'user_disabled' else 'user_enabled' end,
                         changes_disabled, jsonb_build_object()
                     ),
                     (
                         $13::uuid,
                         case when new_deleted then 'user_deleted' else 'user_undeleted' end,
                         changes_deleted, jsonb_build_object()
                     )
             ) as event (id, name, has_happened, details)
             where event.has_happened
             returning event
         )
         select
             refusal,
             decided.create_time as "create_time!",
             new_username as "username!: Username",
             new_roles as "roles!: Roles",
             new_disabled as "disabled!",
             coalesce(changed.update_time, decided.update_time) as "update_time!",
             case when changes_deleted then changed.delete_time else decided.delete_time end
                 as "delete_time?",
             case when changes_deleted then changed.purge_time else decided.purge_time end
                 as "purge_time?",
             decided.totp_enable_time is not null as "totp_enabled!",
             array(select event from logged) as "events!"
         from decided
         left join changed on true"#,
        target.id.0,
        change.can_demote(),
        change.username.as_ref() as Option<&Username>,
        change.roles.as_ref() as Option<&Roles>,
        change.disabled,
        change.deleted,
        target.etag as Option<Etag>,
        retention as _,
        super::actor_columns(actor),
        event_ids[0],
        event_ids[1],
        event_ids[2],
        event_ids[3],
    )
    .fetch_optional(&mut *db.acquire().await?)
    .await
    .map_err(|error| {
        if db::violates(&error, "users_username_key") { Error::UsernameTaken } else { error.into() }
    })?
    .ok_or(Error::UserNotFound)?;
    let user = User {
        id: target.id,
        username: row.username,
        create_time: row.create_time,
        update_time: row.update_time,
        roles: row.roles,
        disabled: row.disabled,
        delete_time: row.delete_time,
        purge_time: row.purge_time,
        totp_enabled: row.totp_enabled,
    };
    match row.refusal.as_deref() {
        None => Ok(Changed { user, events: row.events }),
        Some("deleted") => Err(Error::UserDeleted),
        Some("not deleted") => Err(Error::UserNotDeleted),
        Some("etag mismatch") => Err(Error::EtagMismatch { etag: user.etag().to_string() }),
        Some("last administrator") => Err(Error::LastAdministrator),
        Some(other) => Err(Error::Internal(format!("no such refusal: {other}").into())),
    }
}
