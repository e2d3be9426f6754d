//! The calls of 50 users beside the text searches of another user with 10,000 long tasks: a
//! search reads all of them and finds none.

use std::{thread::sleep, time::Duration};

use super::{Finding, Study, measure_beside, percentile};
use crate::{
    environment::{Dataset, Environment, Owners, Population, Process},
    load::{Load, Measured, Pace, Protocol},
    options::Options,
    progress,
    workload::{Clients, Mix, SearchClient, TaskCalls},
};

const DATABASE: &str = "neighbours";
const USERS: u64 = 50;
const MIX: Mix = Mix { get: 50, list: 20, list_unseen: 0, create: 15, update: 15 };
/// A client for each user.
const LEVEL: (usize, usize) = (10, 5);
/// 5 calls of each user.
const PACE: Pace = Pace::PerSecond(250.0);

/// The user that neighbours.sql adds.
const SEARCHER: Population = Population { first: USERS + 1, count: 1, tasks_per_owner: 10_000 };
const SEARCHES: (usize, usize) = (4, 5);
const CANCEL_AFTER: Duration = Duration::from_millis(20);
/// Longer than PostgreSQL's time-out ends the last search.
const SETTLE: Duration = Duration::from_secs(4);

pub(super) fn measure(
    environment: &mut Environment,
    options: &Options,
) -> anyhow::Result<Vec<Finding>> {
    let (_process, users, searcher) = start(environment)?;
    let load = |level, pace, cancel_after| Load {
        cancel_after,
        may_fail: true,
        ..Load::new(level, pace, options.seconds)
    };
    let calls = load(LEVEL, PACE, None);
    progress::print("    50 users alone");
    let alone = users.measure(calls)?;
    let mut findings = Vec::from(of_users("alone", &alone));
    for (name, attack) in [
        ("20 searches in flight", load(SEARCHES, Pace::Unbounded, None)),
        (
            "30 searches/s, each cancelled after 20 ms",
            load(SEARCHES, Pace::PerSecond(30.0), Some(CANCEL_AFTER)),
        ),
    ] {
        progress::print(format_args!("    50 users beside {name}"));
        let (search, beside) = measure_beside((&searcher, attack), (&users, calls))?;
        let ratio = percentile(&beside, 99.0) / percentile(&alone, 99.0);
        findings.extend(of_users(&format!("beside {name}"), &beside));
        findings.extend([
            Study::Neighbours.found(
                format!("50 users beside {name}, ratio of the p99"),
                ratio,
                "×",
            ),
            count(format!("{name}, made"), search.all_calls),
            count(format!("{name}, failed"), search.failures),
        ]);
        sleep(SETTLE);
    }
    Ok(findings)
}

/// Starts a task-service on a database of its own. Returns it with the clients of the users and of
/// the user that searches.
fn start(environment: &mut Environment) -> anyhow::Result<(Process, Clients, Clients)> {
    let dataset = Dataset::of(USERS);
    dataset.create_for_tandem(&environment.postgres, DATABASE)?;
    progress::during("creating 10,000 tasks of 6,400 characters", || {
        let sql = include_str!("../../sql/neighbours.sql");
        dataset.fill(&environment.postgres, DATABASE, sql)
    })?;
    let process = environment.start_service(&environment.task_settings(DATABASE))?;
    let population = dataset.population(Owners::Large);
    let calls = TaskCalls { mix: MIX, population, tokens: environment.tokens(population) };
    let users = Clients::of_tasks(&process, &environment.postgres, calls);
    let token = environment.tokens(SEARCHER).of(SEARCHER.first);
    let search = move |_| SearchClient::new(token.clone());
    let searcher = Clients::new(&process, Protocol::Grpc, &environment.postgres, search);
    Ok((process, users, searcher))
}

/// What the users saw.
fn of_users(when: &str, measured: &Measured) -> [Finding; 4] {
    if let Some(failure) = &measured.failure {
        progress::print(format_args!("    {} calls failed: {failure}", measured.failures));
    }
    let latency = |percent| {
        let what = format!("50 users {when}, p{percent}");
        Study::Neighbours.found(what, percentile(measured, percent), "ms")
    };
    [
        count(format!("50 users {when}, made"), measured.successes() + measured.failures),
        count(format!("50 users {when}, failed"), measured.failures),
        latency(50.0),
        latency(99.0),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a study makes fewer than 2^52 calls")]
fn count(what: String, calls: u64) -> Finding {
    Study::Neighbours.found(what, calls as f64, "calls")
}
