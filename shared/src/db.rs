//! The connection pool, the migrations, and what the database must be like before it is used.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _, PgConnection, PgPool,
    migrate::{Migrate as _, MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::Mutex, time::timeout};

use crate::{config::DatabaseConfig, error::Error};

/// Every migration there is, of both services, embedded at compile time.
static MIGRATOR: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!("../migrations") };

/// A connection that was unused for longer is asked whether it still lives before a call gets it.
/// Busy ones are not: that would cost each call a round trip.
const TRUSTED_IDLE_TIME: Duration = Duration::from_secs(1);

/// How long the database may take to answer the readiness check.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a service is not ready while its database is unavailable.
pub const UNREACHABLE: &str = "the database cannot be reached";

/// The connections of a service, made when they are first needed, so that it starts while its
/// database is away.
#[derive(Clone, Debug)]
pub struct Pools {
    /// For the calls of each worker: a connection stays on one core.
    pub calls: Arc<[PgPool]>,
    /// For what goes on beside the calls: one connection.
    pub background: PgPool,
}

/// The pools for so many workers, and a probe that watches the database for them. `planning` are
/// settings of PostgreSQL, by which it plans the pools' statements.
#[must_use]
pub fn connect(
    config: &DatabaseConfig,
    application_name: &str,
    workers: usize,
    planning: &[(&'static str, &str)],
) -> (Pools, Probe) {
    let milliseconds = |duration: Duration| duration.as_millis().to_string();
    let mut settings = vec![
        ("statement_timeout", milliseconds(config.statement_timeout)),
        ("lock_timeout", milliseconds(config.lock_timeout)),
        ("idle_in_transaction_session_timeout", milliseconds(config.idle_in_transaction_timeout)),
        ("synchronous_commit", "on".to_owned()),
    ];
    settings.extend(planning.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let connect = config.place.url().connect_options().application_name(application_name);
    let connect = connect.options(settings.iter().cloned());
    let probe = Probe::new(connect.clone(), settings);
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
    let workers = u32::try_from(workers).expect("there are few");
    let share = |worker| (config.max_connections + worker) / workers;
    let calls = (0..workers).map(|worker| pool(share(worker).max(1))).collect();
    (Pools { calls, background: pool(1) }, probe)
}

/// Brings the database to the newest schema. Instances that do so at once wait for each other; a
/// database that is newer than this program is left as it is.
pub async fn migrate(config: &DatabaseConfig) -> Result<(), Error> {
    // A pool would only say that its time was out.
    let mut connection = PgConnection::connect_with(&config.place.url().connect_options()).await?;
    if !is_migrated(&mut connection).await? {
        tracing::info!("bringing the database to the newest schema");
    }
    connection.close().await?;
    // Without the time-outs of calls: a migration may take long.
    let connect = config.place.url().connect_options();
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(config.acquire_timeout);
    let pool = options.connect_with(connect).await?;
    let migrated = MIGRATOR.run(&pool).await;
    pool.close().await;
    Ok(migrated?)
}

/// Watches the database over a connection of its own, so that a busy pool does not look like a
/// database that is away.
pub struct Probe {
    connect: PgConnectOptions,
    /// What every session should have, in PostgreSQL's own units.
    settings: Vec<(&'static str, String)>,
    connection: Mutex<Option<PgConnection>>,
    last_outage: LastOutage,
}

impl Probe {
    fn new(connect: PgConnectOptions, settings: Vec<(&'static str, String)>) -> Self {
        let (connection, last_outage) = (Mutex::default(), LastOutage::default());
        Self { connect, settings, connection, last_outage }
    }

    /// Whether the database answers and has every migration that this program knows; if not, what
    /// is missing.
    pub async fn check(&self) -> Result<(), Arc<str>> {
        let mut connection = self.connection.lock().await;
        let reason = match timeout(PROBE_TIMEOUT, self.reuse_or_connect(connection.take())).await {
            Ok(Ok(alive)) => {
                *connection = Some(alive);
                return Ok(());
            }
            Ok(Err(Error::Internal(reason))) => return Err(reason.to_string().into()),
            Ok(Err(_)) => UNREACHABLE,
            Err(_) => "the database does not answer",
        };
        self.last_outage.is_now();
        Err(reason.into())
    }

    async fn reuse_or_connect(
        &self,
        connection: Option<PgConnection>,
    ) -> Result<PgConnection, Error> {
        if let Some(mut connection) = connection {
            connection.ping().await?;
            return Ok(connection);
        }
        let mut connection = PgConnection::connect_with(&self.connect).await?;
        if !is_migrated(&mut connection).await? {
            return Err(Error::Internal("the database schema is too old: run `migrate`".into()));
        }
        let lacking = lacking(&mut connection, &self.settings).await?.join(", ");
        if !lacking.is_empty() {
            tracing::warn!(
                settings = lacking,
                "sessions lack settings, as behind a pooler that drops them: give them to the role"
            );
        }
        Ok(connection)
    }
}

/// When the database was last found away: the pool's connections from before are broken, whether
/// or not they know it, and a call should not be the one to find out.
#[derive(Clone, Default)]
struct LastOutage(Arc<std::sync::Mutex<Option<Instant>>>);

impl LastOutage {
    fn is_now(&self) {
        *self.0.lock().expect("nobody panics while holding it") = Some(Instant::now());
    }

    fn was_within(&self, past: Duration) -> bool {
        let last = *self.0.lock().expect("nobody panics while holding it");
        last.is_some_and(|outage| outage.elapsed() < past)
    }
}

async fn is_migrated(connection: &mut PgConnection) -> Result<bool, Error> {
    match connection.list_applied_migrations(&MIGRATOR.table_name).await {
        Ok(applied) => Ok(MIGRATOR
            .iter()
            .all(|known| applied.iter().any(|done| done.version == known.version))),
        // The table of migrations is not there: none was ever applied.
        Err(MigrateError::Execute(sqlx::Error::Database(error)))
            if error.code().as_deref() == Some("42P01") =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Those of the settings that the session has otherwise, as `alter role … set` takes them.
async fn lacking(
    connection: &mut PgConnection,
    settings: &[(&'static str, String)],
) -> Result<Vec<String>, Error> {
    let (names, values): (Vec<_>, Vec<_>) = settings.iter().cloned().unzip();
    let lacking = sqlx::query_scalar!(
        r#"select wanted.name || ' = ' || quote_literal(wanted.value) as "setting!"
         from unnest($1::text[], $2::text[]) as wanted (name, value)
         join pg_settings as found using (name)
         where found.setting <> wanted.value"#,
        &names as _,
        &values,
    );
    Ok(lacking.fetch_all(connection).await?)
}

/// Whether `error` is the violation of the constraint or unique index of this name.
#[must_use]
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().is_some_and(|error| error.constraint() == Some(constraint))
}
