//! The table: medians over the rounds, and ratios within them.

use std::{fmt::Write as _, io::Write as _};

use crate::{
    baselines::Baseline,
    contest::{Series, System},
    load::Measured,
    studies::Finding,
};

/// Prints what was found: the systems beside each other, and the services alone.
pub(crate) fn print(contests: &[Series], findings: &[Finding]) {
    let tables = [contest_table(contests), finding_table(findings)];
    let tables = tables.iter().filter(|table| !table.is_empty());
    let text = tables.cloned().collect::<Vec<_>>().join("\n");
    // That nobody reads it is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn finding_table(findings: &[Finding]) -> String {
    let mut table = String::new();
    let mut study = None;
    for Finding { study: of, what, value, unit } in findings {
        if study != Some(*of) {
            let gap = if study.is_some() { "\n" } else { "" };
            let _ = write!(table, "{gap}| {} | | |\n| --- | ---: | --- |\n", of.name());
            study = Some(*of);
        }
        let digits = if *value < 10.0 { 3 } else { 1 };
        let _ = writeln!(table, "| {what} | {value:.digits$} | {unit} |");
    }
    table
}

fn contest_table(all: &[Series]) -> String {
    if all.is_empty() {
        return String::new();
    }
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

/// How many times as many calls the services do as a baseline.
pub(crate) fn ratio_to(all: &[Series], workload: &str, baseline: Baseline) -> Option<f64> {
    let ours = |series: &&Series| series.workload == workload && series.system == System::Tandem;
    ratio(all.iter().find(ours)?, all, baseline)
}

/// How many times as many calls as a baseline in the same rounds.
fn ratio(series: &Series, all: &[Series], baseline: Baseline) -> Option<f64> {
    let baseline = System::Baseline(baseline);
    let is_it = |other: &&Series| other.workload == series.workload && other.system == baseline;
    let baseline = all.iter().find(is_it).filter(|other| other.system != series.system)?;
    let rounds = series.rounds.iter().zip(&baseline.rounds);
    median(rounds.map(|(one, other)| one.calls_per_second / other.calls_per_second))
}

/// The value in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    // Of an even number, the mean of the two in the middle.
    Some(f64::midpoint(values[middle], values[values.len() / 2]))
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}
