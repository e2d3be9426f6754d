//! The tables, in Markdown.

use std::fmt::Write as _;

use super::ratio;
use crate::{
    contest::Series,
    load::{Measured, median},
    options::Baseline,
    studies::Finding,
};

/// One row for each system of each workload.
pub(super) fn contests(all: &[Series]) -> String {
    let mut table = String::from(
        "| workload | system | calls/s | p50 ms | p99 ms | sv µs | pg µs | cl µs \
         | × limit | × usual | × seed |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for series in all {
        let median = |of: fn(&Measured) -> Option<f64>| median(series.rounds.iter().filter_map(of));
        let cells = [
            series.workload.to_owned(),
            series.system.name().to_owned(),
            number(median(|m| Some(m.calls_per_second)), 0),
            number(median(|m| m.percentile(50.0)), 2),
            number(median(|m| m.percentile(99.0)), 2),
            number(median(|m| m.service_cpu), 1),
            number(median(|m| Some(m.postgres_cpu)), 1),
            number(median(|m| m.client_cpu), 1),
            number(ratio(series, all, Baseline::Limit), 2),
            number(ratio(series, all, Baseline::Usual), 2),
            number(ratio(series, all, Baseline::Seed), 1),
        ];
        let _ = writeln!(table, "| {} |", cells.join(" | "));
    }
    table
}

/// A table for each study.
pub(super) fn findings(all: &[Finding]) -> String {
    let mut table = String::new();
    let mut last = None;
    for Finding { study, what, value, unit, .. } in all {
        if last != Some(*study) {
            let gap = if last.is_some() { "\n" } else { "" };
            let _ = write!(table, "{gap}| {} | | |\n| --- | ---: | --- |\n", study.name());
            last = Some(*study);
        }
        let digits = if *value < 10.0 && value.fract() != 0.0 { 2 } else { 0 };
        let _ = writeln!(table, "| {what} | {} | {unit} |", number(Some(*value), digits));
    }
    table
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}
