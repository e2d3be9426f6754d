//! Transactions and pages of the database for each call. A call alone takes exactly one
//! transaction; concurrent calls share them.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::{Finding, Study};
use crate::{
    environment::{Dataset, Environment, Owners},
    load::{Load, Measured, Pace},
    progress,
    workload::{Clients, Mix, TaskCalls},
};

pub(super) const WORKLOADS: [(&str, Mix); 4] =
    [("get", Mix::GET), ("list", Mix::LIST), ("create", Mix::CREATE), ("update", Mix::UPDATE)];
const SINGLE: (usize, usize) = (1, 1);
const CONCURRENT: (usize, usize) = (8, 8);
const DURATION: Duration = Duration::from_secs(1);
/// Calls a second.
const FEW: f64 = 20.0;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn measure(environment: &mut Environment) -> anyhow::Result<Vec<Finding>> {
    let found = |what, count| Study::Statements.found(what, count, "transactions");
    let mut findings = Vec::new();
    let database = create(environment)?;
    for (workload, mix) in WORKLOADS {
        for (level, when) in [(SINGLE, "alone"), (CONCURRENT, "64 in flight")] {
            progress::print(format_args!("    {workload}, {when}"));
            let cost = database.measure(environment, mix, level, DURATION)?;
            findings.push(found(format!("{workload}, {when}"), cost.transactions));
        }
    }
    Ok(findings)
}

/// The transactions that a single call of each kind takes.
pub(crate) fn of_single_calls(
    environment: &mut Environment,
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let database = create(environment)?;
    let count = |(workload, mix)| {
        progress::print(format_args!("  transactions of {workload} alone"));
        Ok((workload, database.measure(environment, mix, SINGLE, DURATION)?.transactions))
    };
    WORKLOADS.into_iter().map(count).collect()
}

fn create(environment: &Environment) -> anyhow::Result<Database<'static>> {
    Database::create(environment, "alone", Dataset::of(100))
}

/// A database that only one service uses at a time.
#[derive(Clone, Copy)]
pub(super) struct Database<'a> {
    name: &'a str,
    dataset: Dataset,
}

/// What a call costs.
pub(super) struct Cost {
    pub(super) transactions: f64,
    /// Pages of tables and indexes, read from memory or from disk.
    pub(super) pages: f64,
    pub(super) measured: Measured,
}

impl<'a> Database<'a> {
    pub(super) fn create(
        environment: &Environment,
        name: &'a str,
        dataset: Dataset,
    ) -> anyhow::Result<Self> {
        // Autovacuum's transactions would be counted, too.
        for set in ["alter system set autovacuum = off", "select pg_reload_conf()"] {
            environment.postgres.execute("postgres", set)?;
        }
        dataset.create_for_tandem(&environment.postgres, name)?;
        Ok(Self { name, dataset })
    }

    /// Measures what a call costs, as the difference between many calls and few. What a service
    /// does beside its calls is the same in both.
    #[expect(clippy::cast_precision_loss, reason = "a study makes fewer than 2^52 calls")]
    pub(super) fn measure(
        self,
        environment: &mut Environment,
        mix: Mix,
        level: (usize, usize),
        duration: Duration,
    ) -> anyhow::Result<Cost> {
        let few = Load::new(level, Pace::PerSecond(FEW), duration);
        let (few, few_used) = self.run(environment, mix, few)?;
        let many = Load::new(level, Pace::Unbounded, duration);
        let (many, many_used) = self.run(environment, mix, many)?;
        let calls = (many.all_calls - few.all_calls) as f64;
        let per_call = |of: fn(&Use) -> i64| (of(&many_used) - of(&few_used)) as f64 / calls;
        Ok(Cost {
            transactions: per_call(|used| used.transactions),
            pages: per_call(|used| used.pages),
            measured: many,
        })
    }

    /// Measures a load on a service of its own, and what the service uses of the database from its
    /// start to its end.
    fn run(
        self,
        environment: &mut Environment,
        mix: Mix,
        load: Load,
    ) -> anyhow::Result<(Measured, Use)> {
        let before = self.used(environment)?;
        let settings = environment
            .task_settings(self.name)
            .with("TASK_PURGE_INTERVAL_SECONDS", "86400")
            // Cached pages are not read, so that they say nothing of the table.
            .with("TASK_PAGE_CACHE_BYTES", "0");
        let process = environment.start_service(&settings)?;
        let population = self.dataset.population(Owners::Large);
        let calls = TaskCalls { mix, population, tokens: environment.tokens(population) };
        let measured = Clients::of_tasks(&process, &environment.postgres, calls).measure(load)?;
        drop(process);
        let after = self.used(environment)?;
        let used = Use {
            transactions: after.transactions - before.transactions,
            pages: after.pages - before.pages,
        };
        Ok((measured, used))
    }

    /// The use so far. PostgreSQL's counts are complete once a session has ended.
    fn used(self, environment: &Environment) -> anyhow::Result<Use> {
        let of_database = |what: &str, from: &str| {
            let sql = format!("select {what} from {from} where datname = '{}'", self.name);
            environment.postgres.query("postgres", &sql)
        };
        let start = Instant::now();
        while of_database("count(*)", "pg_stat_activity")? > 0 {
            ensure!(start.elapsed() < PATIENCE, "sessions outlive their service");
            sleep(Duration::from_millis(20));
        }
        let transactions = of_database("xact_commit", "pg_stat_database")?;
        Ok(Use { transactions, pages: environment.postgres.query(self.name, PAGES)? })
    }
}

/// What sessions used of a database.
struct Use {
    transactions: i64,
    pages: i64,
}

const PAGES: &str = "select sum(
        heap_blks_hit + heap_blks_read + coalesce(idx_blks_hit + idx_blks_read, 0)
        + coalesce(toast_blks_hit + toast_blks_read, 0)
        + coalesce(tidx_blks_hit + tidx_blks_read, 0)
    )::bigint
    from pg_statio_user_tables";
