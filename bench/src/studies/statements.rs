//! How often calls go to the database: alone each does once, exactly; many at once share. And what
//! of the database they touch.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::ensure;

use super::{Finding, Study};
use crate::{
    contest::{WARM_UP, Work},
    environment::{Dataset, Environment, Process},
    load::{Load, Measured, Pace},
    workload::Workload,
};

/// Its database is touched by nobody else.
const DATABASE: &str = "alone";
const WORKLOADS: [&str; 4] = ["get", "list", "create", "update"];
/// One caller, and many.
const ALONE: (usize, usize) = (1, 1);
const TOGETHER: (usize, usize) = (8, 8);
const DURATION: Duration = Duration::from_secs(1);
/// Calls a second.
const FEW: f64 = 20.0;
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn measure(environment: &mut Environment) -> anyhow::Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (workload, count) in alone(environment)? {
        let what = format!("{workload} alone");
        found.push(Study::Statements.found(what, count, "transactions"));
        let together = transactions_per_call(environment, workload, TOGETHER)?;
        let what = format!("{workload}, 64 in flight");
        found.push(Study::Statements.found(what, together, "transactions"));
    }
    Ok(found)
}

/// How many transactions a call of each kind takes that is alone.
pub(crate) fn alone(environment: &mut Environment) -> anyhow::Result<Vec<(&'static str, f64)>> {
    place().create(environment)?;
    let count = |workload| Ok((workload, transactions_per_call(environment, workload, ALONE)?));
    WORKLOADS.into_iter().map(count).collect()
}

fn transactions_per_call(
    environment: &mut Environment,
    workload: &str,
    level: (usize, usize),
) -> anyhow::Result<f64> {
    Ok(place().measure(environment, workload, level, DURATION)?.transactions)
}

/// With enough for few callers.
fn place() -> Place<'static> {
    Place { database: DATABASE, dataset: Dataset::of(100) }
}

/// A database that nobody else touches, and what is in it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) database: &'a str,
    pub(super) dataset: Dataset,
}

/// What a call costs.
pub(super) struct Cost {
    pub(super) transactions: f64,
    /// Of tables and indexes, whether they were in memory or not.
    pub(super) pages: f64,
    pub(super) measured: Measured,
}

impl Place<'_> {
    pub(super) fn create(self, environment: &Environment) -> anyhow::Result<()> {
        // Its workers come and go, and count, too.
        for set in ["alter system set autovacuum = off", "select pg_reload_conf()"] {
            environment.postgres.execute("postgres", set)?;
        }
        self.dataset.create_for_tandem(&environment.postgres, self.database)
    }

    /// What a call costs when so many are in flight. What a service does beside the calls is the
    /// same beside few and beside many in the same time.
    #[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
    pub(super) fn measure(
        self,
        environment: &mut Environment,
        workload: &str,
        level: (usize, usize),
        duration: Duration,
    ) -> anyhow::Result<Cost> {
        let few = self.run(environment, workload, level, Pace::PerSecond(FEW), duration)?;
        let many = self.run(environment, workload, level, Pace::Unbounded, duration)?;
        let calls = (many.0.all_calls - few.0.all_calls) as f64;
        let per_call = |of: fn(&Use) -> i64| (of(&many.1) - of(&few.1)) as f64 / calls;
        Ok(Cost {
            transactions: per_call(|used| used.transactions),
            pages: per_call(|used| used.pages),
            measured: many.0,
        })
    }

    /// What a service used of the database from its start to its end.
    fn run(
        self,
        environment: &mut Environment,
        workload: &str,
        (connections, in_flight): (usize, usize),
        pace: Pace,
        duration: Duration,
    ) -> anyhow::Result<(Measured, Use)> {
        let before = self.used(environment)?;
        let settings = environment.task_settings(self.database);
        let settings = settings.with("TASK_PURGE_INTERVAL_SECONDS", "86400");
        // What a page touches that is not read says nothing of the table.
        let settings = settings.with("TASK_PAGE_CACHE_BYTES", "0");
        let dir = environment.dir.path();
        let process = Process::start_service(settings, dir, &environment.runtime)?;
        let work = Work::on(environment, &process, self.dataset, Workload::named(workload));
        let load = Load { connections, in_flight, pace, warm_up: WARM_UP, duration };
        let measured = work.measure(load)?;
        drop(process);
        let after = self.used(environment)?;
        let used = Use {
            transactions: after.transactions - before.transactions,
            pages: after.pages - before.pages,
        };
        Ok((measured, used))
    }

    /// What was used so far. PostgreSQL knows what a session did for certain when it has ended.
    fn used(self, environment: &Environment) -> anyhow::Result<Use> {
        let of_database = |what: &str, from: &str| {
            let sql = format!("select {what} from {from} where datname = '{}'", self.database);
            environment.postgres.query("postgres", &sql)
        };
        let start = Instant::now();
        while of_database("count(*)", "pg_stat_activity")? > 0 {
            ensure!(start.elapsed() < PATIENCE, "sessions of a service outlive it");
            sleep(Duration::from_millis(20));
        }
        let transactions = of_database("xact_commit", "pg_stat_database")?;
        Ok(Use { transactions, pages: environment.postgres.query(self.database, PAGES)? })
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
