//! `task.followed`: one row with the place in auth-service's list of account events, and the lease
//! of the instance that follows the list. Leases expire by the database's clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::error::Error;
use sqlx::PgPool;
use uuid::Uuid;

/// The place in the list.
pub(crate) struct Place {
    /// The sequence up to which every event is applied, if this instance has the lease now.
    pub(crate) sequence: Option<i64>,
    /// When all events were last applied, by any instance.
    pub(crate) caught_up_time: Option<DateTime<Utc>>,
}

/// Takes the lease for `lease`, unless another instance has it.
pub(crate) async fn claim(db: &PgPool, holder: Uuid, lease: Duration) -> Result<Place, Error> {
    let place = sqlx::query_as!(
        Place,
        r#"with claimed as (
            update task.followed
            set holder = $1, lease_expire_time = current_timestamp + $2::interval
            where holder = $1 or lease_expire_time <= current_timestamp
            returning sequence
         )
         select (select sequence from claimed) as sequence, caught_up_time
         from task.followed"#,
        holder,
        lease as _,
    );
    Ok(place.fetch_one(db).await?)
}

/// Extends the lease. Returns false if it has expired.
pub(crate) async fn renew(db: &PgPool, holder: Uuid, lease: Duration) -> Result<bool, Error> {
    let renewed = sqlx::query!(
        "update task.followed
         set lease_expire_time = current_timestamp + $2::interval
         where holder = $1 and lease_expire_time > current_timestamp",
        holder,
        lease as _,
    );
    Ok(renewed.execute(db).await?.rows_affected() > 0)
}

/// Stores that every event up to `sequence` is applied, and extends the lease. Returns false if it
/// has expired.
pub(crate) async fn advance(
    db: &PgPool,
    holder: Uuid,
    sequence: i64,
    lease: Duration,
) -> Result<bool, Error> {
    let advanced = sqlx::query!(
        "update task.followed
         set sequence = $2, lease_expire_time = current_timestamp + $3::interval
         where holder = $1 and lease_expire_time > current_timestamp",
        holder,
        sequence,
        lease as _,
    );
    Ok(advanced.execute(db).await?.rows_affected() > 0)
}

/// Stores that all events are applied now, and gives the lease back. Returns the time.
pub(crate) async fn catch_up(db: &PgPool, holder: Uuid) -> Result<Option<DateTime<Utc>>, Error> {
    let time = sqlx::query_scalar!(
        r#"update task.followed
         set caught_up_time = current_timestamp, lease_expire_time = '-infinity'
         where holder = $1 and lease_expire_time > current_timestamp
         returning caught_up_time as "caught_up_time!""#,
        holder,
    );
    Ok(time.fetch_optional(db).await?)
}

/// Gives the lease back.
pub(crate) async fn release(db: &PgPool, holder: Uuid) -> Result<(), Error> {
    let released = sqlx::query!(
        "update task.followed
         set lease_expire_time = '-infinity'
         where holder = $1",
        holder,
    );
    released.execute(db).await?;
    Ok(())
}
