//! What the benchmark measures and what that needs, started: one private PostgreSQL with the data,
//! the services as processes of their own, and access tokens for their clients.

use std::sync::Arc;

use shared::ids::UserId;
use tempfile::TempDir;
use test_support::{TestIssuer, TestKey};
use tokio::runtime::{self, Runtime};

pub(crate) use self::{
    dataset::{Dataset, Owners, Population, owner_id, task_id},
    postgres::{Postgres, SETTINGS, target_dir},
    process::{LISTENS, Process, Settings},
    tokens::{TokenCache, Tokens},
};
use crate::progress;

mod dataset;
mod postgres;
mod process;
mod tokens;

/// The database of both services.
pub(crate) const DATABASE: &str = "tandem";

/// Dropping it stops everything. The fields are in the order of dropping: users before what they
/// use.
pub(crate) struct Environment {
    pub(crate) task: Process,
    pub(crate) auth: Process,
    /// An auth-service with cheap password hashing, for the clients that refresh: each of them
    /// begins with a login.
    pub(crate) quick_auth: Process,
    token_cache: TokenCache,
    key: TestKey,
    issuer: TestIssuer,
    pub(crate) postgres: Postgres,
    pub(crate) dataset: Dataset,
    /// For the issuer and for queries. Every load has runtimes of its own.
    pub(crate) runtime: Runtime,
    pub(crate) dir: TempDir,
}

impl Environment {
    pub(crate) fn start(dataset: Dataset) -> anyhow::Result<Self> {
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let dir = postgres::data_dir()?;
        progress::print("starting PostgreSQL");
        let postgres = Postgres::start(dir.path(), runtime.handle())?;
        dataset.create_for_tandem(&postgres, DATABASE)?;
        let key = TestKey::generate("bench");
        let issuer = runtime.block_on(TestIssuer::start(&[&key]));
        let url = postgres.url(DATABASE);
        let start = |settings: Settings| Process::start_service(settings, dir.path(), &runtime);
        let task = start(Settings::task(&url, issuer.url()))?;
        let auth = start(Settings::auth(&url))?;
        let quick = Settings::auth(&url)
            .with("AUTH_BCRYPT_COST", "4")
            .with("AUTH_HASHING_QUEUE", "1024")
            .with("AUTH_LOGIN_ATTEMPTS_PER_SOURCE", "1000");
        let quick_auth = start(quick)?;
        let token_cache = TokenCache::default();
        Ok(Self {
            task,
            auth,
            quick_auth,
            token_cache,
            key,
            issuer,
            postgres,
            dataset,
            runtime,
            dir,
        })
    }

    /// Access tokens of these owners.
    pub(crate) fn tokens(&mut self, owners: Population) -> Arc<Tokens> {
        let sign = |owner| self.key.token(UserId(owner_id(owner)));
        self.token_cache.tokens(owners, sign)
    }

    /// Starts one more service.
    pub(crate) fn start_service(&self, settings: &Settings) -> anyhow::Result<Process> {
        Process::start_service(settings.clone(), self.dir.path(), &self.runtime)
    }

    /// Settings of a task-service on this database.
    pub(crate) fn task_settings(&self, database: &str) -> Settings {
        Settings::task(&self.postgres.url(database), self.issuer.url())
    }

    /// Settings of an auth-service on the database of the first.
    pub(crate) fn auth_settings(&self) -> Settings {
        Settings::auth(&self.postgres.url(DATABASE))
    }
}
