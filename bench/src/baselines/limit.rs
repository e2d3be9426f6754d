//! The limit: what PostgreSQL does by itself, without a service. pgbench sends plain statements
//! that do what a call does, prepared, one for each call.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    environment::{Environment, Population},
    load::Measured,
    say,
    workload::{Calls, Workload},
};

/// How many clients pgbench may have; the best counts.
const CLIENTS: [usize; 3] = [8, 16, 32];
/// Where there is no time to try.
pub(crate) const USUAL_CLIENTS: usize = 16;
const THREADS: usize = 2;

/// The number of clients with which pgbench does most.
pub(crate) fn best_clients(
    environment: &Environment,
    workload: &Workload,
    script: &str,
) -> anyhow::Result<usize> {
    let mut best = (0.0, CLIENTS[0]);
    for clients in CLIENTS {
        let short = (Duration::from_secs(1), Duration::from_secs(2));
        let measured = measure(environment, workload, script, clients, short)?;
        if measured.calls_per_second > best.0 {
            best = (measured.calls_per_second, clients);
        }
    }
    say(&format!("{:>12}: pgbench does most with {} clients", workload.name, best.1));
    Ok(best.1)
}

/// Lets pgbench run a script, and counts between a warm-up and the end.
pub(crate) fn measure(
    environment: &Environment,
    workload: &Workload,
    script: &str,
    clients: usize,
    (warm_up, duration): (Duration, Duration),
) -> anyhow::Result<Measured> {
    let file = environment.dir.path().join(format!("{}.sql", workload.name));
    fs::write(&file, script)?;
    let Calls::Tasks(_, owners) = workload.calls else { bail!("pgbench knows tasks only") };
    let population = environment.dataset.population(owners);
    // It ends after us, so that its connections still count.
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
    ensure!(output.status.success(), "pgbench fails: {progress}");
    let window = warm_up.as_secs()..(warm_up + duration).as_secs();
    let calls_per_second = calls_per_second(&progress, window)?;
    Ok(Measured {
        calls_per_second,
        latency: None,
        service_cpu: None,
        postgres_cpu: cpu * 1e6 / calls_per_second,
        client_cpu: None,
        all_calls: 0,
    })
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
        .arg(environment.postgres.url("tandem"));
    command
}

/// The mean of the seconds in the window, of lines such as
/// `progress: 3.0 s, 34900.1 tps, lat 0.458 ms stddev 0.1, 0 failed`.
fn calls_per_second(progress: &str, window: std::ops::Range<u64>) -> anyhow::Result<f64> {
    let line = |line: &str| -> Option<f64> {
        line.strip_prefix("progress: ")?.split_once(" s, ")?.1.split_once(" tps")?.0.parse().ok()
    };
    let seconds: Vec<f64> = progress.lines().filter_map(line).collect();
    let window = usize::try_from(window.start)?..usize::try_from(window.end)?;
    let counted = seconds.get(window).with_context(|| format!("pgbench says {progress}"))?;
    #[expect(clippy::cast_precision_loss, reason = "they are a few seconds")]
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
        let seen = calls_per_second(progress, 1..3).unwrap();
        assert!((seen - 400.25).abs() < 1e-9, "{seen}");
        assert!(calls_per_second(progress, 1..4).is_err());
    }
}
