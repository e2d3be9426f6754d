//! `auth.purged_users`: the users that were purged, in commit order. Rows are never deleted.

use chrono::{DateTime, Utc};
use shared::{db::WorkerPool, error::Error};
use sqlx::PgPool;
use uuid::Uuid;

use super::locks;

/// A user that was purged.
pub(crate) struct PurgedUser {
    pub(crate) sequence: i64,
    pub(crate) user_id: Uuid,
    pub(crate) purge_time: DateTime<Utc>,
}

/// Some of the list, and the highest sequence of all, or 0.
pub(crate) struct PurgedUsers {
    pub(crate) users: Vec<PurgedUser>,
    pub(crate) last_sequence: i64,
}

/// Purges at most one user for each of `event_ids`: those whose `purge_time` has passed by the
/// database's clock, the earliest first. Returns how many. The same statement appends them to the
/// list and to the audit log. None while another instance does so: one purge commits before the
/// next takes a sequence, so a reader of the list never skips one.
pub(crate) async fn purge(db: &PgPool, event_ids: &[Uuid]) -> Result<u64, Error> {
    let purged = sqlx::query_scalar!(
        r#"with lock as materialized (
            select pg_try_advisory_xact_lock($2) as is_held
         ), purged as (
            delete from auth.users
            where id = any(array(
                select id
                from auth.users
                where (select is_held from lock) and purge_time <= current_timestamp
                order by purge_time
                limit cardinality($1::uuid[])
                -- Sees that a user was undeleted since the snapshot.
                for update skip locked
            ))
            returning id, username
         ), numbered as (
            select id, username, row_number() over () as number
            from purged
         ), listed as (
            insert into auth.purged_users (user_id)
            select id
            from numbered
         ), recorded as (
            insert into auth.events (id, event, user_id, username, actor)
            select $1[number], 'user_purged', id, username, 'service'
            from numbered
         )
         select count(*) as "count!"
         from purged"#,
        event_ids,
        locks::PURGE_USERS,
    );
    Ok(purged.fetch_one(db).await?.unsigned_abs())
}

/// Lists at most `limit` of the users after `sequence`.
pub(crate) async fn list(
    db: &WorkerPool,
    sequence: i64,
    limit: usize,
) -> Result<PurgedUsers, Error> {
    let rows = sqlx::query!(
        r#"select
            last.sequence as "last_sequence!",
            user_.sequence as "sequence?",
            user_.user_id as "user_id?",
            user_.purge_time as "purge_time?"
         from (select coalesce(max(sequence), 0) as sequence from auth.purged_users) as last
         left join (
            select sequence, user_id, purge_time
            from auth.purged_users
            where sequence > $1
            order by sequence
            limit $2
         ) as user_ on true
         order by user_.sequence"#,
        sequence,
        i64::try_from(limit).expect("a page is small"),
    );
    let rows = rows.fetch_all(&mut *db.acquire().await?).await?;
    let last_sequence = rows.first().map_or(0, |row| row.last_sequence);
    let users = rows.into_iter().filter_map(|row| {
        let (sequence, user_id) = (row.sequence?, row.user_id?);
        Some(PurgedUser { sequence, user_id, purge_time: row.purge_time? })
    });
    Ok(PurgedUsers { users: users.collect(), last_sequence })
}
