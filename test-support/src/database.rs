//! An empty database with the newest schema for each test.

use std::{
    env, fmt, process,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use local_postgres::LocalPostgres;
use shared::{
    config::{self, DatabaseConfig},
    db,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio::{runtime, sync::OnceCell, task::spawn_blocking};
use url::Url;

/// The server with the databases of this process's tests.
enum Server {
    /// The server of `DATABASE_URL`. Each test creates and migrates a database, and drops it.
    Given { url: String },
    /// A private server that ends with this process. Each test clones a template in about 10 ms.
    Private { server: Box<Mutex<LocalPostgres>> },
}

static SERVER: OnceCell<Server> = OnceCell::const_new();

const TEMPLATE: &str = "template_tandem";

/// A database that belongs to one test.
pub struct TestDatabase {
    url: String,
    origin: Origin,
}

enum Origin {
    Given { admin_url: String, name: String },
    Cloned,
    OwnServer(Box<Mutex<LocalPostgres>>),
}

impl TestDatabase {
    /// Creates a database on the server that the tests of this process share.
    pub async fn create() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tandem_test_{}_{number}", process::id());
        match SERVER.get_or_init(Server::start).await {
            Server::Given { url: admin_url } => {
                execute(admin_url, format!("create database {name}")).await;
                let mut url: Url = admin_url.parse().expect("DATABASE_URL is a URL");
                url.set_path(&name);
                migrate(url.as_str()).await;
                let origin = Origin::Given { admin_url: admin_url.clone(), name };
                Self { url: url.into(), origin }
            }
            Server::Private { server } => {
                let (admin_url, url) = {
                    let server = lock(server);
                    (server.url("postgres"), server.url(&name))
                };
                let clone =
                    format!("create database {name} template {TEMPLATE} strategy file_copy");
                execute(&admin_url, clone).await;
                Self { url, origin: Origin::Cloned }
            }
        }
    }

    /// Creates a database on a server of its own, which can be [halted](Self::halt). This takes
    /// half a second.
    pub async fn create_on_own_server() -> Self {
        let server = start_private().await;
        let url = server.url("postgres");
        migrate(&url).await;
        Self { url, origin: Origin::OwnServer(Box::new(Mutex::new(server))) }
    }

    /// The URL for `DATABASE_URL` or `--database-url`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection pool for the test itself.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect(&self.url).await.expect("the test's database is there")
    }

    /// Runs SQL statements.
    pub async fn execute(&self, sql: impl Into<String>) {
        execute(&self.url, sql.into()).await;
    }

    /// Stops the database's own server and keeps its data.
    pub fn halt(&self) {
        self.own_server().halt().expect("the server stops");
    }

    /// Restarts the database's own server.
    pub fn resume(&self) {
        self.own_server().resume().expect("the server starts");
    }

    fn own_server(&self) -> MutexGuard<'_, LocalPostgres> {
        match &self.origin {
            Origin::OwnServer(server) => lock(server),
            Origin::Given { .. } | Origin::Cloned => panic!("the server is shared"),
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Origin::Given { admin_url, name } = &self.origin else { return };
        let (admin_url, drop) = (admin_url.clone(), format!("drop database {name} with (force)"));
        // A destructor cannot await, and the test's runtime may be ending.
        let dropping = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime starts").block_on(execute(&admin_url, drop));
        });
        let _ = dropping.join();
    }
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Server {
    async fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "tests have no command line of their own")]
        if let Ok(url) = env::var("DATABASE_URL") {
            return Self::Given { url };
        }
        let server = start_private().await;
        let admin_url = server.url("postgres");
        execute(&admin_url, format!("create database {TEMPLATE}")).await;
        migrate(&server.url(TEMPLATE)).await;
        execute(&admin_url, format!("alter database {TEMPLATE} allow_connections false")).await;
        Self::Private { server: Box::new(Mutex::new(server)) }
    }
}

fn lock(server: &Mutex<LocalPostgres>) -> MutexGuard<'_, LocalPostgres> {
    server.lock().expect("no thread panics while holding the lock")
}

async fn start_private() -> LocalPostgres {
    let starting = spawn_blocking(LocalPostgres::throwaway).await.expect("starting does not panic");
    starting.unwrap_or_else(|error| panic!("{error}"))
}

async fn migrate(url: &str) {
    let config: DatabaseConfig =
        config::settings(["--database-url", url]).expect("the URL is valid");
    db::migrate(&config).await.expect("the migrations run");
}

async fn execute(url: &str, sql: String) {
    let mut connection = PgConnection::connect(url).await.expect("the test's server is there");
    let done = sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await;
    done.unwrap_or_else(|error| panic!("{error}: {sql}"));
    connection.close().await.expect("the connection closes");
}
