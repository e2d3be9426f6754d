//! The table: medians over the rounds, and ratios within them.

use std::io::Write as _;

use crate::{
    baselines::Baseline,
    load::Measured,
    run::{Series, System},
};

/// Prints a table of all series, those of a workload one after the other.
pub(crate) fn print(all: &[Series]) {
    let mut out = std::io::stdout();
    // That nobody reads it is no reason to fail.
    let _ = write!(out, "{}", table(all));
}

fn table(all: &[Series]) -> String {
    let mut table = String::from(
        "| workload | system | calls/s | p50 ms | p99 ms | sv µs | pg µs | cl µs | × limit | × usual |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for series in all {
        let median = |of: fn(&Measured) -> Option<f64>| median(series.rounds.iter().filter_map(of));
        let cells = [
            series.workload.to_owned(),
            series.system.name().to_owned(),
            number(median(|m| Some(m.calls_per_second)), 0),
            number(median(|m| percentile(m, 0.50)), 2),
            number(median(|m| percentile(m, 0.99)), 2),
            number(median(|m| m.service_cpu), 1),
            number(median(|m| Some(m.postgres_cpu)), 1),
            number(median(|m| m.client_cpu), 1),
            number(ratio(series, all, Baseline::Limit), 2),
            number(ratio(series, all, Baseline::Usual), 2),
        ];
        table.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    table
}

/// How many times as many calls as a baseline in the same rounds.
fn ratio(series: &Series, all: &[Series], baseline: Baseline) -> Option<f64> {
    let baseline = System::Baseline(baseline);
    let is_it = |other: &&Series| other.workload == series.workload && other.system == baseline;
    let baseline = all.iter().find(is_it).filter(|other| other.system != series.system)?;
    let rounds = series.rounds.iter().zip(&baseline.rounds);
    median(rounds.map(|(one, other)| one.calls_per_second / other.calls_per_second))
}

/// In milliseconds.
#[expect(clippy::cast_precision_loss, reason = "it is microseconds of seconds")]
fn percentile(measured: &Measured, quantile: f64) -> Option<f64> {
    Some(measured.latency.as_ref()?.value_at_quantile(quantile) as f64 / 1000.0)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    // Of an even number, the mean of the two in the middle.
    Some(f64::midpoint(values[middle], values[values.len() / 2]))
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}
