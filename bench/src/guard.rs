//! What must not be lost: floors under what was reached, with room for noise, and counts that are
//! exact.

use anyhow::ensure;

use crate::{
    baselines::Baseline::{self, Limit, Usual},
    contest,
    environment::Environment,
    options::Options,
    report, say, studies,
    workload::Workload,
};

/// Calls a second beside those of a baseline, at least, in the best of the rounds.
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

/// Fails if something of it is lost.
pub(crate) fn check(environment: &mut Environment, options: &Options) -> anyhow::Result<()> {
    let mut contests = Vec::new();
    for workload in ["get", "list", "list-unseen", "create", "update"] {
        contests.extend(contest::run(environment, Workload::named(workload), options)?);
    }
    let alone = studies::transactions_alone(environment)?;
    report::print(&contests, &[]);

    let mut lost = Vec::new();
    for (workload, baseline, floor) in FLOORS {
        let ratio = report::best_ratio(&contests, workload, baseline).unwrap_or(0.0);
        if ratio < floor {
            let name = baseline.name();
            lost.push(format!("{workload}: {ratio:.2} of {name}, and not {floor:.2}"));
        }
    }
    for (workload, transactions) in alone {
        say(&format!("{workload:>12}: {transactions:.3} transactions for a call alone"));
        // One more of a call would be 2; of a hundred calls, one may meet with something else.
        if (transactions - 1.0).abs() > 0.01 {
            lost.push(format!("{workload}: {transactions:.3} transactions for a call alone"));
        }
    }
    ensure!(lost.is_empty(), "the services are slower than they were: {}", lost.join("; "));
    Ok(())
}
