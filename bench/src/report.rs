//! The results: tables for the terminal, and a report with plots in a file. Each number is the
//! median of the rounds, and each ratio the median of the ratios within the rounds.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use self::plot::{Group, Line, Scale};
use crate::{
    contest::{Series, System},
    environment,
    load::{Measured, median},
    options::Baseline,
    progress,
    studies::{Finding, Study},
};

mod machine;
mod plot;
mod table;

/// Prints the tables.
pub(crate) fn print(contests: &[Series], findings: &[Finding]) {
    // A closed standard output does not end the run: the report follows.
    let _ = std::io::stdout().write_all(tables(contests, findings).as_bytes());
}

/// Writes the report. `method` is a sentence on how it was measured.
pub(crate) fn write(contests: &[Series], findings: &[Finding], method: &str) -> anyhow::Result<()> {
    let dir = environment::target_dir()?;
    let plots = plots(&dir, contests, findings)?;
    let report = format!(
        "# Benchmark\n\n{}, {}. {method}\n\n{KEY}\n{}\n{plots}",
        shared::time::now().format("%Y-%m-%d %H:%M UTC"),
        machine::describe(),
        tables(contests, findings),
    );
    let file = dir.join("report.md");
    fs::write(&file, report)?;
    progress::print(format_args!("report: {}", file.display()));
    Ok(())
}

fn tables(contests: &[Series], findings: &[Finding]) -> String {
    let contests = if contests.is_empty() { String::new() } else { table::contests(contests) };
    let tables = [contests, table::findings(findings)];
    tables.into_iter().filter(|table| !table.is_empty()).collect::<Vec<_>>().join("\n")
}

const KEY: &str = "\
`sv`, `pg` and `cl` are microseconds of CPU time for each call: of the service, of PostgreSQL and \
of the clients. `× limit`, `× usual` and `× seed` are the ratios of calls a second to that \
baseline in the same rounds.
";

/// Draws the plots that the results have data for, and returns links to them.
fn plots(dir: &Path, contests: &[Series], findings: &[Finding]) -> anyhow::Result<String> {
    let mut links = String::new();
    let mut link = |name: &str| {
        let _ = writeln!(links, "\n![{name}]({name}.svg)");
        dir.join(name).with_extension("svg")
    };
    if !contests.is_empty() {
        let names = System::ALL.map(System::name);
        let rate = |m: &Measured| vec![m.calls_per_second];
        let groups = groups(contests, &System::ALL, rate);
        plot::bars(&link("throughput"), "Calls per second", &names, &groups)?;
        let rust = [System::Tandem, System::Baseline(Baseline::Usual)];
        let parts = |m: &Measured| {
            vec![m.service_cpu.unwrap_or(0.0), m.postgres_cpu, m.client_cpu.unwrap_or(0.0)]
        };
        let mut groups = self::groups(contests, &rust, parts);
        // Workloads of only one of the systems have nothing to compare.
        groups.retain(|group| group.bars.iter().all(|bar| !bar.is_empty()));
        let title = "CPU time of a call in microseconds: tandem and the usual service";
        let legend = ["service", "PostgreSQL", "clients"];
        plot::stacks(&link("cpu"), title, &legend, &groups)?;
    }
    for (study, title, axis) in [
        (
            Study::Saturation,
            "Calls per second by calls in flight",
            ("calls in flight", Scale::Logarithmic),
        ),
        (Study::Latency, "p99 in milliseconds by load", ("percent of the peak", Scale::Linear)),
    ] {
        let found = lines(findings, study);
        if !found.is_empty() {
            plot::lines(&link(study.name()), title, axis, &found)?;
        }
    }
    Ok(links)
}

/// The medians of these systems for each workload.
fn groups(
    contests: &[Series],
    systems: &[System],
    parts: impl Fn(&Measured) -> Vec<f64>,
) -> Vec<Group> {
    let medians = |series: &Series| -> Vec<f64> {
        let rounds: Vec<_> = series.rounds.iter().map(&parts).collect();
        let count = rounds.first().map_or(0, Vec::len);
        let of_part = |part: usize| median(rounds.iter().map(|round| round[part]));
        (0..count).map(|part| of_part(part).unwrap_or(0.0)).collect()
    };
    let ours = contests.iter().filter(|series| series.system == System::Tandem);
    ours.map(|series| Group {
        name: series.workload,
        bars: systems
            .iter()
            .map(|&system| {
                let found = find(contests, series.workload, system);
                found.map(medians).unwrap_or_default()
            })
            .collect(),
    })
    .collect()
}

/// The lines of a study's plot.
fn lines(findings: &[Finding], study: Study) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for finding in findings.iter().filter(|finding| finding.study == study) {
        let Some((name, x)) = finding.point else { continue };
        let point = (x, finding.value);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { name: name.to_owned(), points: vec![point] }),
        }
    }
    lines
}

/// The ratio of the services' calls a second to a baseline's, in the services' best round. Other
/// load on the machine spoils some rounds, and seldom all.
pub(crate) fn best_ratio(all: &[Series], workload: &str, baseline: Baseline) -> Option<f64> {
    let ours = find(all, workload, System::Tandem)?;
    let other = find(all, workload, System::Baseline(baseline))?;
    ratios(ours, other).max_by(f64::total_cmp)
}

/// The median ratio of calls a second to a baseline's.
fn ratio(series: &Series, all: &[Series], baseline: Baseline) -> Option<f64> {
    let other = find(all, series.workload, System::Baseline(baseline))?;
    median(ratios(series, other)).filter(|_| other.system != series.system)
}

/// The ratio of calls a second to another system's, in each round.
fn ratios(series: &Series, other: &Series) -> impl Iterator<Item = f64> {
    let rounds = series.rounds.iter().zip(&other.rounds);
    rounds.map(|(one, other)| one.calls_per_second / other.calls_per_second)
}

fn find<'a>(all: &'a [Series], workload: &str, system: System) -> Option<&'a Series> {
    all.iter().find(|series| series.workload == workload && series.system == system)
}
