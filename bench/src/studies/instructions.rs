//! Instructions of task-service for each call, counted by Valgrind's callgrind. Unlike time, they
//! are nearly the same on every machine and in every run. The kernel's are not counted.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::{Finding, Study};
use crate::{
    environment::{Dataset, Environment, Owners, Settings, target_dir},
    load::{Load, Pace},
    progress,
    workload::{Clients, Mix, TaskCalls},
};

const DATABASE: &str = "instructions";
const USERS: u64 = 100;
const WORKLOADS: [(&str, Mix); 3] =
    [("get", Mix::GET), ("list-unseen", Mix::LIST_UNSEEN), ("update", Mix::UPDATE)];
/// Enough that calls share statements, as at the peak.
const LEVEL: (usize, usize) = (4, 4);
/// The difference between both is what is counted.
const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(8);

pub(super) fn measure(environment: &mut Environment) -> anyhow::Result<Vec<Finding>> {
    let found = |(name, count)| Study::Instructions.found(name, count, "instructions");
    Ok(per_call(environment, &WORKLOADS)?.into_iter().map(found).collect())
}

/// The instructions of a get; `None` if they cannot be counted.
pub(crate) fn of_get(environment: &mut Environment) -> anyhow::Result<Option<f64>> {
    let counts = per_call(environment, &WORKLOADS[..1])?;
    Ok(counts.first().map(|&(_, count)| count))
}

/// The instructions of these workloads; none if Valgrind is missing.
fn per_call(
    environment: &mut Environment,
    workloads: &[(&'static str, Mix)],
) -> anyhow::Result<Vec<(&'static str, f64)>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        progress::print("    SKIPPED: instructions are not counted, valgrind is not installed");
        return Ok(Vec::new());
    }
    let dataset = Dataset::of(USERS);
    dataset.create_for_tandem(&environment.postgres, DATABASE)?;
    let mut counts = Vec::new();
    for &(name, mix) in workloads {
        progress::print(format_args!("    instructions of {name}"));
        let short = count(environment, dataset, (name, mix), SHORT)?;
        let long = count(environment, dataset, (name, mix), LONG)?;
        counts.push((name, (long.instructions - short.instructions) / (long.calls - short.calls)));
    }
    Ok(counts)
}

/// What a service did from its start to its end.
struct Count {
    instructions: f64,
    calls: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a study makes fewer than 2^52 calls")]
fn count(
    environment: &mut Environment,
    dataset: Dataset,
    (name, mix): (&str, Mix),
    duration: Duration,
) -> anyhow::Result<Count> {
    let profile = profile(name)?;
    let process = environment.start_service(&under_callgrind(environment, &profile))?;
    let population = dataset.population(Owners::Large);
    let calls = TaskCalls { mix, population, tokens: environment.tokens(population) };
    let load = Load::new(LEVEL, Pace::Unbounded, duration);
    let measured = Clients::of_tasks(&process, &environment.postgres, calls).measure(load)?;
    drop(process);
    let text = fs::read_to_string(&profile).context("callgrind wrote no profile")?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let instructions: u64 = total.context("the profile has no total")?.trim().parse()?;
    ensure!(measured.all_calls > 0, "the service answered no {name} under callgrind");
    Ok(Count { instructions: instructions as f64, calls: measured.all_calls as f64 })
}

/// The profile stays, for `callgrind_annotate`.
fn profile(name: &str) -> anyhow::Result<PathBuf> {
    Ok(target_dir()?.join(format!("{name}.callgrind")))
}

fn under_callgrind(environment: &Environment, profile: &Path) -> Settings {
    let out = format!("--callgrind-out-file={}", profile.display());
    environment.task_settings(DATABASE).with("TASK_PAGE_CACHE_BYTES", "0").under(&[
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        &out,
    ])
}
