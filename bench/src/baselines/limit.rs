//! The limit: what PostgreSQL does without a service. pgbench sends prepared statements that do the
//! work of a call, one for each call.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    environment::{self, Environment, Population},
    load::Measured,
    progress,
    workload::{Calls, Mix, Workload},
};

/// The numbers of clients that are tried; the best is measured.
const CLIENTS: [usize; 3] = [8, 16, 32];
/// The number of clients when none is tried.
pub(crate) const DEFAULT_CLIENTS: usize = 16;
const THREADS: usize = 2;

/// What pgbench runs for the calls of a workload, if all are of one kind.
pub(super) fn script(workload: &Workload) -> Option<&'static str> {
    match workload.calls {
        Calls::Tasks(Mix { get: 100, .. }, _) => Some(include_str!("../../sql/get.sql")),
        Calls::Tasks(Mix { list: 100, .. } | Mix { list_unseen: 100, .. }, _) => {
            Some(include_str!("../../sql/list.sql"))
        }
        Calls::Tasks(Mix { create: 100, .. }, _) => Some(include_str!("../../sql/create.sql")),
        Calls::Tasks(Mix { update: 100, .. }, _) => Some(include_str!("../../sql/update.sql")),
        Calls::Tasks(..) | Calls::Login | Calls::Refresh => None,
    }
}

/// The number of clients with the highest throughput.
pub(crate) fn best_clients(
    environment: &Environment,
    workload: &Workload,
) -> anyhow::Result<usize> {
    let mut best = (0.0, CLIENTS[0]);
    for clients in CLIENTS {
        let (warm_up, duration) = (Duration::from_secs(1), Duration::from_secs(2));
        let rate = measure(environment, workload, clients, warm_up, duration)?.calls_per_second;
        progress::print(format_args!("  pgbench with {clients:>2} clients {rate:>8.0} calls/s"));
        if rate > best.0 {
            best = (rate, clients);
        }
    }
    Ok(best.1)
}

/// Runs pgbench, and measures after the warm-up.
pub(crate) fn measure(
    environment: &Environment,
    workload: &Workload,
    clients: usize,
    warm_up: Duration,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let Calls::Tasks(_, owners) = workload.calls else { bail!("pgbench runs calls about tasks") };
    let script = script(workload).context("pgbench has no script for this workload")?;
    let population = environment.dataset.population(owners);
    let file = environment.dir.path().join(format!("{}.sql", workload.name));
    fs::write(&file, script)?;
    // A second longer than measured: the CPU time of a connection counts until it is closed.
    let seconds = (warm_up + duration).as_secs() + 1;
    let mut command = command(environment, &file, population, clients);
    let pgbench = command
        .args(["--time", &seconds.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    sleep(warm_up);
    let meter = environment.postgres.meter();
    let before = meter.read()?;
    sleep(duration);
    let cpu = meter.read()?.saturating_sub(before).as_secs_f64() / duration.as_secs_f64();
    let output = pgbench.wait_with_output()?;
    let progress = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench failed: {progress}");
    let window = warm_up.as_secs()..(warm_up + duration).as_secs();
    let calls_per_second = calls_per_second(&progress, window)?;
    Ok(Measured::of_rate(calls_per_second, cpu * 1e6 / calls_per_second))
}

fn command(
    environment: &Environment,
    script: &Path,
    population: Population,
    clients: usize,
) -> Command {
    let Population { first, count, tasks_per_owner } = population;
    let mut command = Command::new(environment.postgres.program("pgbench"));
    command
        .args(["--no-vacuum", "--protocol", "prepared", "--progress", "1"])
        .args(["--client", &clients.to_string(), "--jobs", &THREADS.to_string()])
        .args(["--define", &format!("first_owner={first}")])
        .args(["--define", &format!("last_owner={}", first + count - 1)])
        .args(["--define", &format!("tasks_per_owner={tasks_per_owner}")])
        .arg("--file")
        .arg(script)
        .arg(environment.postgres.url(environment::DATABASE));
    command
}

/// The mean rate of the seconds in the window, from lines such as
/// `progress: 3.0 s, 34900.1 tps, lat 0.458 ms stddev 0.1, 0 failed`.
fn calls_per_second(progress: &str, window: std::ops::Range<u64>) -> anyhow::Result<f64> {
    let rate = |line: &str| -> Option<f64> {
        line.strip_prefix("progress: ")?.split_once(" s, ")?.1.split_once(" tps")?.0.parse().ok()
    };
    let rates: Vec<f64> = progress.lines().filter_map(rate).collect();
    let window = usize::try_from(window.start)?..usize::try_from(window.end)?;
    let counted = rates.get(window).with_context(|| format!("pgbench printed {progress}"))?;
    #[expect(clippy::cast_precision_loss, reason = "the window is a few seconds")]
    Ok(counted.iter().sum::<f64>() / counted.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_seconds_in_the_window_count() {
        let progress = "pgbench (15.18)\n\
            progress: 1.0 s, 100.0 tps, lat 0.458 ms stddev 0.100, 0 failed\n\
            progress: 2.0 s, 300.0 tps, lat 0.458 ms stddev 0.100, 0 failed\n\
            progress: 3.0 s, 500.5 tps, lat 0.458 ms stddev 0.100, 0 failed\n";
        let rate = calls_per_second(progress, 1..3).unwrap();
        assert!((rate - 400.25).abs() < 1e-9, "{rate}");
        assert!(calls_per_second(progress, 1..4).is_err());
    }
}
