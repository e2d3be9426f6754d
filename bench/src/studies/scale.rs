//! What a table of ten million tasks costs a call more than one of ten thousand: hardly anything,
//! if all that it reads is found by an index.

use super::{Finding, Study, percentile, statements::Place};
use crate::{
    environment::{Dataset, Environment},
    options::Options,
    say,
};

const DATABASE: &str = "scale";
const WORKLOADS: [&str; 4] = ["get", "list", "create", "update"];
const OWNERS: [u64; 2] = [100, 100_000];

pub(super) fn measure(
    environment: &mut Environment,
    options: &Options,
) -> anyhow::Result<Vec<Finding>> {
    let mut found = Vec::new();
    for owners in OWNERS {
        let dataset = Dataset::of(owners);
        let tasks = dataset.tasks();
        say(&format!("creating {tasks} tasks"));
        let place = Place { database: DATABASE, dataset };
        place.create(environment)?;
        for workload in WORKLOADS {
            let found_of = |what: &str, value, unit| {
                Study::Scale.found(format!("{workload}, {tasks} tasks, {what}"), value, unit)
            };
            let alone = place.measure(environment, workload, (1, 1), options.seconds())?;
            let many = place.measure(environment, workload, (8, 8), options.seconds())?;
            found.extend([
                found_of("alone", alone.pages, "pages"),
                found_of("alone, median", percentile(&alone.measured, 50.0), "ms"),
                found_of("64 in flight", many.measured.calls_per_second, "calls/s"),
            ]);
        }
        environment.postgres.execute("postgres", &format!("drop database {DATABASE}"))?;
    }
    Ok(found)
}
