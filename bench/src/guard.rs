//! The guard: floors under the ratios that the services have reached, with room for noise, and
//! counts that are exact.

use anyhow::ensure;

use crate::{
    baselines::Baselines,
    contest,
    environment::Environment,
    options::{
        Baseline::{self, Limit, Usual},
        Options,
    },
    progress, report, studies,
    workload::Workload,
};

/// At least so many times the calls a second of a baseline, in the best round.
const FLOORS: [(&str, Baseline, f64); 10] = [
    ("get", Limit, 0.4),
    ("get", Usual, 1.5),
    ("list", Limit, 0.7),
    ("list", Usual, 1.5),
    ("list-unseen", Limit, 0.25),
    ("list-unseen", Usual, 0.45),
    ("create", Limit, 0.5),
    ("create", Usual, 0.6),
    ("update", Limit, 0.5),
    ("update", Usual, 0.5),
];

/// At most so many instructions of a get. It takes about 160,000 without link-time optimisation.
const MAX_INSTRUCTIONS_OF_GET: f64 = 190_000.0;

/// Fails if a ratio is below its floor, if a call takes more than one transaction, or a get too
/// many instructions.
pub(crate) fn check(
    environment: &mut Environment,
    baselines: &mut Baselines,
    options: &Options,
) -> anyhow::Result<()> {
    let mut contests = Vec::new();
    for name in ["get", "list", "list-unseen", "create", "update"] {
        let workload = Workload::named(name);
        contests.extend(contest::run(environment, baselines, workload, options)?);
    }
    let transactions = studies::transactions_of_single_calls(environment)?;
    let instructions = studies::instructions_of_get(environment)?;
    report::print(&contests, &[]);

    let mut failures = Vec::new();
    for (workload, baseline, floor) in FLOORS {
        let ratio = report::best_ratio(&contests, workload, baseline).unwrap_or(0.0);
        if ratio < floor {
            let name = baseline.name();
            failures.push(format!("{workload} is {ratio:.2} × {name}, below {floor:.2}"));
        }
    }
    for (workload, count) in transactions {
        let line = format!("{workload} alone takes {count:.3} transactions");
        progress::print(&line);
        // An extra transaction for each call makes 2; one in a hundred calls may cause one.
        if (count - 1.0).abs() > 0.01 {
            failures.push(line);
        }
    }
    if let Some(count) = instructions {
        let line = format!("get takes {count:.0} instructions");
        progress::print(&line);
        if count > MAX_INSTRUCTIONS_OF_GET {
            failures.push(line);
        }
    }
    ensure!(failures.is_empty(), "the services are slower than before: {}", failures.join("; "));
    Ok(())
}
