//! How often calls go to the database: alone each does once, exactly; many at once share.

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
    // Its workers come and go, and count, too.
    for set in ["alter system set autovacuum = off", "select pg_reload_conf()"] {
        environment.postgres.execute("postgres", set)?;
    }
    Dataset::tiny().create_for_tandem(&environment.postgres, DATABASE)?;
    let count = |workload| Ok((workload, transactions_per_call(environment, workload, ALONE)?));
    WORKLOADS.into_iter().map(count).collect()
}

/// How many transactions a call takes when so many are in flight. What a service does beside the
/// calls is the same beside few and beside many in the same time.
fn transactions_per_call(
    environment: &mut Environment,
    workload: &str,
    level: (usize, usize),
) -> anyhow::Result<f64> {
    let (few_calls, few) = run_once(environment, workload, level, Pace::PerSecond(FEW))?;
    let (many_calls, many) = run_once(environment, workload, level, Pace::Unbounded)?;
    Ok((many - few) / (many_calls - few_calls))
}

/// The calls and the transactions of a service from its start to its end.
#[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
fn run_once(
    environment: &mut Environment,
    workload: &str,
    (connections, in_flight): (usize, usize),
    pace: Pace,
) -> anyhow::Result<(f64, f64)> {
    let before = transactions(environment)?;
    let settings = environment.task_settings(DATABASE).with("TASK_PURGE_INTERVAL_SECONDS", "86400");
    let process = Process::start_service(settings, environment.dir.path(), &environment.runtime)?;
    let work = Work::on(environment, &process, Dataset::tiny(), Workload::named(workload));
    let load = Load { connections, in_flight, pace, warm_up: WARM_UP, duration: DURATION };
    let Measured { all_calls, .. } = work.measure(load)?;
    drop(process);
    Ok((all_calls as f64, (transactions(environment)? - before) as f64))
}

/// The transactions so far. PostgreSQL knows of those of a session for certain when it has ended.
fn transactions(environment: &Environment) -> anyhow::Result<i64> {
    let ask = |sql: &str| {
        environment.postgres.query("postgres", &format!("{sql} where datname = '{DATABASE}'"))
    };
    let start = Instant::now();
    while ask("select count(*) from pg_stat_activity")? > 0 {
        ensure!(start.elapsed() < PATIENCE, "sessions of a service outlive it");
        sleep(Duration::from_millis(20));
    }
    ask("select xact_commit from pg_stat_database")
}
