//! `auth.events`: the audit log. Statements that make an administrative change insert their row
//! themselves; all other rows come in batches. All times come from the database's clock.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use shared::{db::WorkerPool, error::Error, ids::UserId};
use sqlx::PgPool;
use uuid::Uuid;

use super::locks;
use crate::domain::event::{EventCursor, EventFilter, NewEvent, StoredEvent};

/// Inserts the events that are not stored yet, so a batch with an unknown outcome can be retried.
pub(crate) async fn insert(db: &PgPool, events: &[NewEvent]) -> Result<(), Error> {
    fn column<T>(events: &[NewEvent], value: impl Fn(&NewEvent) -> T) -> Vec<T> {
        events.iter().map(value).collect()
    }
    sqlx::query!(
        "insert into auth.events (
            id, create_time, event, user_id, username, actor, actor_id, session_id, ip_address,
            user_agent
         )
         select
            item.id, current_timestamp - item.age, item.event, item.user_id, item.username,
            item.actor, item.actor_id, item.session_id, item.ip_address, item.user_agent
         from unnest(
            $1::uuid[], $2::interval[], $3::text[], $4::uuid[], $5::text[], $6::text[],
            $7::uuid[], $8::uuid[], $9::text[], $10::text[]
         ) as item (
            id, age, event, user_id, username, actor, actor_id, session_id, ip_address, user_agent
         )
         on conflict (id) do nothing",
        &column(events, |event| event.id),
        column(events, |event| event.age) as _,
        &column(events, |event| event.event.clone()),
        column(events, |event| event.user_id.map(|id| id.0)) as _,
        column(events, |event| event.username.as_ref().map(ToString::to_string)) as _,
        &column(events, |event| event.actor.name().to_owned()),
        column(events, |event| event.actor.id().map(|id| id.0)) as _,
        column(events, |event| event.session_id.map(|id| id.0)) as _,
        &column(events, |event| event.source.ip_address.to_string()),
        &column(events, |event| event.source.user_agent.clone().into()),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lists at most `limit` of the events that `filter` allows after `cursor`, newest first.
pub(crate) async fn list(
    db: &WorkerPool,
    filter: &EventFilter,
    cursor: EventCursor,
    limit: usize,
) -> Result<Vec<StoredEvent>, Error> {
    match filter.user_id {
        Some(user_id) => list_of_user(db, user_id, filter, cursor, limit).await,
        None => list_of_all(db, filter, cursor, limit).await,
    }
}

async fn list_of_user(
    db: &WorkerPool,
    user_id: UserId,
    filter: &EventFilter,
    cursor: EventCursor,
    limit: usize,
) -> Result<Vec<StoredEvent>, Error> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"select
            id, create_time, event, user_id, username, actor, actor_id, session_id, ip_address,
            user_agent, details::text as "details!"
         from auth.events
         where user_id = $1
             and (create_time, id) < ($2, $3)
             and create_time >= coalesce($4, timestamptz '-infinity')
             and create_time < coalesce($5, timestamptz 'infinity')
             and (cardinality($6::text[]) = 0 or event = any($6))
             and ($8::uuid is null or actor_id = $8)
         order by create_time desc, id desc
         limit $7"#,
        user_id.0,
        cursor.create_time,
        cursor.id,
        filter.from,
        filter.until,
        &filter.events,
        i64::try_from(limit).expect("a page is small"),
        filter.actor_id.map(|id| id.0),
    );
    let rows = rows.fetch_all(&mut *db.acquire().await?).await?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

/// A statement of its own, so that each has one index to read along.
async fn list_of_all(
    db: &WorkerPool,
    filter: &EventFilter,
    cursor: EventCursor,
    limit: usize,
) -> Result<Vec<StoredEvent>, Error> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"select
            id, create_time, event, user_id, username, actor, actor_id, session_id, ip_address,
            user_agent, details::text as "details!"
         from auth.events
         where (create_time, id) < ($1, $2)
             and create_time >= coalesce($3, timestamptz '-infinity')
             and create_time < coalesce($4, timestamptz 'infinity')
             and (cardinality($5::text[]) = 0 or event = any($5))
             and ($7::uuid is null or actor_id = $7)
         order by create_time desc, id desc
         limit $6"#,
        cursor.create_time,
        cursor.id,
        filter.from,
        filter.until,
        &filter.events,
        i64::try_from(limit).expect("a page is small"),
        filter.actor_id.map(|id| id.0),
    );
    let rows = rows.fetch_all(&mut *db.acquire().await?).await?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

/// Deletes at most `limit` of the events that are older than `retention`, the oldest first, and
/// returns how many. None while another instance does so.
pub(crate) async fn purge(db: &PgPool, retention: Duration, limit: i64) -> Result<u64, Error> {
    let purged = sqlx::query!(
        "with lock as materialized (
            select pg_try_advisory_xact_lock($3) as is_held
         )
         delete from auth.events
         where ctid = any(array(
            select ctid
            from auth.events
            where (select is_held from lock)
                and create_time <= current_timestamp - $1::interval
            order by create_time, id
            limit $2
         ))",
        retention as _,
        limit,
        locks::PURGE_EVENTS,
    );
    Ok(purged.execute(db).await?.rows_affected())
}

struct EventRow {
    id: Uuid,
    create_time: DateTime<Utc>,
    event: String,
    user_id: Option<Uuid>,
    username: Option<String>,
    actor: String,
    actor_id: Option<Uuid>,
    session_id: Option<Uuid>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    /// JSON.
    details: String,
}

impl From<EventRow> for StoredEvent {
    fn from(row: EventRow) -> Self {
        Self {
            id: row.id,
            create_time: row.create_time,
            event: row.event,
            user_id: row.user_id,
            username: row.username,
            actor: row.actor,
            actor_id: row.actor_id,
            session_id: row.session_id,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
            details: details(&row.details),
        }
    }
}

/// The details; every value is a text.
fn details(json: &str) -> BTreeMap<String, String> {
    serde_json::from_str(json).unwrap_or_default()
}
