//! The connection pools, the migrations, and the checks of a database before it is used.

use std::{sync::Arc, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool,
    migrate::{Migrate as _, MigrateError, Migrator},
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, Postgres},
};
use tokio::{sync::Mutex, time::timeout};

use crate::{config::DatabaseConfig, error::Error, time::now};

mod clock;
mod outage;
mod session;

pub use clock::ClockOffset;
use outage::LastOutage;
use session::Settings;

/// Every migration of both services, embedded at compile time. The table is qualified, since
/// sessions have no `public` in their search path.
static MIGRATOR: Migrator = Migrator {
    ignore_missing: true,
    table_name: std::borrow::Cow::Borrowed("public._sqlx_migrations"),
    ..sqlx::migrate!("../migrations")
};

/// A connection that was idle for longer is pinged before a call gets it. A busy connection is not:
/// the ping would cost each call a round trip.
const TRUSTED_IDLE_TIME: Duration = Duration::from_secs(1);

/// The time-out of a readiness check.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The smallest clock difference that makes a service not ready.
const MIN_CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

/// Why a service is not ready while its database is unavailable.
pub const UNREACHABLE: &str = "the database cannot be reached";

/// The connections of a service, opened when they are first needed, so that the service starts
/// while its database is unavailable.
#[derive(Clone, Debug)]
pub struct Pools {
    /// For the calls of each worker: a connection stays on one core.
    pub calls: Arc<[PgPool]>,
    /// For background work: one connection.
    pub background: PgPool,
    last_outage: LastOutage,
}

impl Pools {
    /// The connections of this worker.
    #[must_use]
    pub fn of_worker(&self, worker: usize) -> WorkerPool {
        WorkerPool { pool: self.calls[worker].clone(), last_outage: self.last_outage.clone() }
    }
}

/// The connections of a worker. It tells a busy pool from an unavailable database.
#[derive(Clone, Debug)]
pub struct WorkerPool {
    pool: PgPool,
    last_outage: LastOutage,
}

impl WorkerPool {
    /// A connection, as soon as one is free.
    ///
    /// # Errors
    /// - [`Error::Overloaded`] if none becomes free within the acquire timeout.
    /// - [`Error::DatabaseUnavailable`] if none can be opened.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut if self.is_in_use() => Error::Overloaded,
            error => error.into(),
        })
    }

    /// The most connections that the pool opens.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.pool.options().get_max_connections() as usize
    }

    /// How long a call waits for a connection.
    #[must_use]
    pub fn acquire_timeout(&self) -> Duration {
        self.pool.options().get_acquire_timeout()
    }

    /// The error of a call that has waited too long: the database may be the reason.
    #[must_use]
    pub fn timed_out(&self) -> Error {
        if self.was_away() { sqlx::Error::PoolTimedOut.into() } else { Error::Overloaded }
    }

    /// Whether calls hold all connections. The pool counts a connection that it cannot open, too.
    fn is_in_use(&self) -> bool {
        self.pool.size() as usize >= self.max_connections() && !self.was_away()
    }

    /// Whether the probe has found an outage since the call began to wait.
    fn was_away(&self) -> bool {
        self.last_outage.was_within(self.acquire_timeout() + PROBE_TIMEOUT)
    }
}

/// The pools of a service with this many workers, and the probe that watches their database.
/// `planning` are settings of PostgreSQL's planner for the sessions of the pools. The service is
/// not ready while its clock differs from the database's by more than `clock_tolerance`.
#[must_use]
pub fn connect(
    config: &DatabaseConfig,
    application_name: &str,
    workers: usize,
    planning: &[(&'static str, &str)],
    clock_tolerance: Duration,
) -> (Pools, Probe) {
    let settings = Settings::of_calls(config, planning);
    let connect = config.place.url().connect_options().application_name(application_name);
    let connect = settings.apply_to(connect);
    let probe = Probe::new(connect.clone(), settings, clock_tolerance);
    let pool = |max_connections| {
        let outage = probe.last_outage.clone();
        PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(config.acquire_timeout)
            .idle_timeout(config.idle_timeout)
            .max_lifetime(config.max_lifetime)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let outlived = outage.was_within(meta.age);
                Box::pin(async move {
                    let trusted = meta.idle_for <= TRUSTED_IDLE_TIME;
                    Ok(!outlived && (trusted || connection.ping().await.is_ok()))
                })
            })
            .connect_lazy_with(connect.clone())
    };
    let workers = u32::try_from(workers).expect("there are few workers");
    let share = |worker| (config.max_connections + worker) / workers;
    let calls = (0..workers).map(|worker| pool(share(worker).max(1))).collect();
    let last_outage = probe.last_outage.clone();
    (Pools { calls, background: pool(1), last_outage }, probe)
}

/// Migrates the database to the newest schema. Concurrent instances wait for each other. A database
/// with a newer schema stays as it is.
///
/// # Errors
/// The database is unavailable, read-only or not in UTF-8; a migration fails.
pub async fn migrate(config: &DatabaseConfig) -> Result<(), Error> {
    let settings = Settings::of_migrations();
    let connect = settings.apply_to(config.place.url().connect_options());
    // A pool would report only its time-out.
    let mut connection = PgConnection::connect_with(&connect).await?;
    session::check_server(&mut connection).await?;
    if !is_migrated(&mut connection).await? {
        session::check_writable(&mut connection).await?;
        tracing::info!("migrating the database to the newest schema");
    }
    connection.close().await?;
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(config.acquire_timeout);
    let pool = options.connect_with(connect).await?;
    let migrated = MIGRATOR.run(&pool).await;
    pool.close().await;
    Ok(migrated?)
}

/// Watches the database over its own connection, so that a busy pool does not look like an
/// unavailable database.
pub struct Probe {
    connect: PgConnectOptions,
    settings: Settings,
    connection: Mutex<Option<PgConnection>>,
    last_outage: LastOutage,
    clock_tolerance: Duration,
    clock_offset: ClockOffset,
}

impl Probe {
    fn new(connect: PgConnectOptions, settings: Settings, clock_tolerance: Duration) -> Self {
        Self {
            connect,
            settings,
            connection: Mutex::default(),
            last_outage: LastOutage::default(),
            clock_tolerance: clock_tolerance.max(MIN_CLOCK_TOLERANCE),
            clock_offset: ClockOffset::default(),
        }
    }

    /// The clock's difference, measured at each [`check`](Self::check).
    #[must_use]
    pub fn clock_offset(&self) -> ClockOffset {
        self.clock_offset.clone()
    }

    /// Whether the database answers, has every migration that this program knows, and agrees with
    /// this instance's clock.
    ///
    /// # Errors
    /// What is missing and what to do about it.
    pub async fn check(&self) -> Result<(), Arc<str>> {
        let mut connection = self.connection.lock().await;
        let reason = match timeout(PROBE_TIMEOUT, self.reuse_or_connect(connection.take())).await {
            Ok(Ok(alive)) => {
                *connection = Some(alive);
                return self.check_clock();
            }
            Ok(Err(Error::Internal(reason))) => return Err(reason.to_string().into()),
            Ok(Err(_)) => UNREACHABLE,
            Err(_) => "the database does not answer",
        };
        self.last_outage.is_now();
        Err(reason.into())
    }

    /// A lost connection gets a second attempt: it may be the only one that was lost.
    async fn reuse_or_connect(
        &self,
        connection: Option<PgConnection>,
    ) -> Result<PgConnection, Error> {
        if let Some(mut connection) = connection
            && self.ping(&mut connection).await.is_ok()
        {
            return Ok(connection);
        }
        let mut connection = PgConnection::connect_with(&self.connect).await?;
        session::check_server(&mut connection).await?;
        if !is_migrated(&mut connection).await? {
            return Err(Error::Internal("the database schema is too old: run `migrate`".into()));
        }
        if let Err(read_only) = session::check_writable(&mut connection).await {
            tracing::warn!(cause = read_only.causes(), "the database takes no writes");
        }
        self.settings.warn_if_dropped(&mut connection).await?;
        self.ping(&mut connection).await?;
        Ok(connection)
    }

    /// Measures the clock's difference; a restarted server outdates the connections of the pools.
    async fn ping(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let before = now();
        let server = sqlx::query!(
            r#"select
                clock_timestamp() as "now!",
                pg_postmaster_start_time() as "start!""#
        );
        let server = server.fetch_one(connection).await?;
        let after = now();
        // The database read its clock between the two.
        let nearest = server.now.clamp(before, after);
        let offset = (nearest - server.now).num_microseconds().unwrap_or(i64::MAX);
        self.clock_offset.set(offset);
        self.last_outage.observe_start(server.start);
        Ok(())
    }

    fn check_clock(&self) -> Result<(), Arc<str>> {
        let offset = Duration::from_micros(self.clock_offset.micros().unsigned_abs());
        if offset <= self.clock_tolerance {
            return Ok(());
        }
        let tolerance = self.clock_tolerance.as_secs();
        Err(format!(
            "the clock differs from the database's by more than {tolerance} s: synchronize both"
        )
        .into())
    }
}

async fn is_migrated(connection: &mut PgConnection) -> Result<bool, Error> {
    match connection.list_applied_migrations(&MIGRATOR.table_name).await {
        Ok(applied) => Ok(MIGRATOR
            .iter()
            .all(|known| applied.iter().any(|done| done.version == known.version))),
        // undefined_table: no migration was ever applied.
        Err(MigrateError::Execute(sqlx::Error::Database(error)))
            if error.code().as_deref() == Some("42P01") =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether `error` is a violation of the constraint or unique index with this name.
#[must_use]
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some(constraint))
}
