//! What is measured, started: one PostgreSQL, a database in it for each system with the same data,
//! the systems as processes of their own, and tokens for all callers.

use anyhow::Context as _;
use tempfile::TempDir;
use test_support::{TestIssuer, TestKey};
use tokio::runtime::{self, Runtime};

pub(crate) use self::{
    dataset::{Dataset, Owners, Population, task_id},
    process::Process,
    tokens::{Kind, Tokens},
};
use self::{postgres::Postgres, tokens::Signer};
use crate::{baselines::Baseline, options::Options};

mod dataset;
mod postgres;
mod process;
mod tokens;

/// All that is started, and ends when it is dropped.
pub(crate) struct Environment {
    // Before what they use: it is dropped in this order.
    pub(crate) task: Process,
    pub(crate) usual: Option<Process>,
    pub(crate) tokens: Signer,
    _issuer: TestIssuer,
    pub(crate) postgres: Postgres,
    pub(crate) dataset: Dataset,
    /// For the issuer and for questions to the database. The load has runtimes of its own.
    _runtime: Runtime,
    pub(crate) dir: TempDir,
}

impl Environment {
    pub(crate) fn start(options: &Options) -> anyhow::Result<Self> {
        let runtime =
            runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let dataset = Dataset::new(options.quick);
        let dir = postgres::data_dir()?;
        crate::say("starting PostgreSQL");
        let postgres = Postgres::start(dir.path(), runtime.handle())?;
        crate::say(&format!("creating {} tasks for task-service", dataset.tasks()));
        dataset.create_for_tandem(&postgres)?;
        let key = TestKey::generate("bench");
        let issuer = runtime.block_on(TestIssuer::start(&[&key]));
        let task = Process::start_task(&postgres, issuer.url(), dir.path())?;
        let usual = if options.baselines.contains(&Baseline::Usual) {
            crate::say(&format!("creating {} tasks for the usual service", dataset.tasks()));
            dataset.create_for_usual(&postgres)?;
            Some(Process::start_usual(&postgres, dir.path())?)
        } else {
            None
        };
        let tokens = Signer::new(key);
        Ok(Self { task, usual, tokens, _issuer: issuer, postgres, dataset, _runtime: runtime, dir })
    }

    pub(crate) fn usual(&self) -> anyhow::Result<&Process> {
        self.usual.as_ref().context("the usual service was not asked for")
    }
}
