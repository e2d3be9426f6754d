//! Calls on ten million tasks beside calls on ten thousand. If every read uses an index, the two
//! cost nearly the same.

use super::{
    Finding, Study, percentile,
    statements::{Database, WORKLOADS},
};
use crate::{
    environment::{Dataset, Environment},
    options::Options,
    progress,
};

const DATABASE: &str = "scale";
const OWNERS: [u64; 2] = [100, 100_000];

pub(super) fn measure(
    environment: &mut Environment,
    options: &Options,
) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for owners in OWNERS {
        let dataset = Dataset::of(owners);
        let tasks = dataset.tasks();
        let database = Database::create(environment, DATABASE, dataset)?;
        for (workload, mix) in WORKLOADS {
            let found = |what: &str, value, unit| {
                Study::Scale.found(format!("{workload}, {tasks} tasks, {what}"), value, unit)
            };
            progress::print(format_args!("    {workload}, {tasks} tasks"));
            let alone = database.measure(environment, mix, (1, 1), options.seconds)?;
            let many = database.measure(environment, mix, (8, 8), options.seconds)?;
            findings.extend([
                found("alone", alone.pages, "pages"),
                found("alone, median", percentile(&alone.measured, 50.0), "ms"),
                found("64 in flight", many.measured.calls_per_second, "calls/s"),
            ]);
        }
        environment.postgres.execute("postgres", &format!("drop database {DATABASE}"))?;
    }
    Ok(findings)
}
