//! What is measured, started: one PostgreSQL, a database in it for each system with the same data,
//! the systems as processes of their own, and tokens for all callers.

use tempfile::TempDir;
use test_support::{TestIssuer, TestKey};
use tokio::runtime::{self, Runtime};

use self::tokens::Signer;
pub(crate) use self::{
    dataset::{Dataset, Owners, Population, owner_id, task_id},
    postgres::{Postgres, SETTINGS, target_dir},
    process::{Process, Settings},
    tokens::{Kind, Tokens},
};
use crate::{
    baselines::{Baseline, seed::Seed, usual},
    options::Options,
    say,
};

mod dataset;
mod postgres;
mod process;
mod tokens;

/// The database of both services.
const TANDEM: &str = "tandem";

/// All that is started, and ends when it is dropped: first what uses the rest.
pub(crate) struct Environment {
    pub(crate) task: Process,
    pub(crate) auth: Process,
    /// Where a password costs next to nothing, for those who refresh: all begin with a login.
    pub(crate) quick_auth: Process,
    pub(crate) usual: Option<Process>,
    pub(crate) seed: Option<Seed>,
    pub(crate) tokens: Signer,
    issuer: TestIssuer,
    pub(crate) postgres: Postgres,
    pub(crate) dataset: Dataset,
    /// For the issuer and for questions. The load has runtimes of its own.
    pub(crate) runtime: Runtime,
    pub(crate) dir: TempDir,
}

impl Environment {
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let dataset = Dataset::new(options.is_small());
        let dir = postgres::data_dir()?;
        say("starting PostgreSQL");
        let postgres = Postgres::start(dir.path(), runtime.handle())?;
        let fill = |system| say(&format!("creating {} tasks for {system}", dataset.tasks()));

        fill("task-service");
        dataset.create_for_tandem(&postgres, TANDEM)?;
        let key = TestKey::generate("bench");
        let issuer = runtime.block_on(TestIssuer::start(&[&key]));
        let start = |settings: Settings| Process::start_service(settings, dir.path(), &runtime);
        let task = start(Settings::task(&postgres.url(TANDEM), issuer.url()))?;
        let auth = start(Settings::auth(&postgres.url(TANDEM)))?;
        let quick = Settings::auth(&postgres.url(TANDEM)).with("AUTH_BCRYPT_COST", "4");
        let quick = quick.with("AUTH_HASHING_QUEUE", "1024");
        let quick_auth = start(quick.with("AUTH_LOGIN_ATTEMPTS_PER_SOURCE", "1000"))?;

        let usual = if options.compares_with(Baseline::Usual) {
            fill(Baseline::Usual.name());
            dataset.create_for_usual(&postgres)?;
            Some(Process::start(Settings::usual(&postgres.url(usual::DATABASE)), dir.path())?)
        } else {
            None
        };
        let seed = if options.compares_with(Baseline::Seed) {
            fill(Baseline::Seed.name());
            Seed::start(&postgres, dataset, dir.path())?
        } else {
            None
        };
        Ok(Self {
            task,
            auth,
            quick_auth,
            usual,
            seed,
            tokens: Signer::new(key),
            issuer,
            postgres,
            dataset,
            runtime,
            dir,
        })
    }

    /// Another task-service, on this database.
    pub(crate) fn task_settings(&self, database: &str) -> Settings {
        Settings::task(&self.postgres.url(database), self.issuer.url())
    }

    /// Another auth-service, on the database of the first.
    pub(crate) fn auth_settings(&self) -> Settings {
        Settings::auth(&self.postgres.url(TANDEM))
    }
}
