//! Time that the machine takes from all processes. A thread that only reads the clock sees when its
//! core was taken away; such gaps are a lower bound of the slowest calls.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Finding, Study};
use crate::options::Options;

/// Shorter gaps may be work of the kernel.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Finding>> {
    let cores = thread::available_parallelism()?.get();
    let duration = options.seconds;
    let gaps: Vec<Duration> = thread::scope(|scope| {
        let watching: Vec<_> = (0..cores).map(|_| scope.spawn(|| watch(duration))).collect();
        let joined = watching.into_iter().map(|gaps| gaps.join().expect("a watch does not panic"));
        joined.flatten().collect()
    });
    let longest = gaps.iter().max().copied().unwrap_or_default();
    let share =
        gaps.iter().sum::<Duration>().div_duration_f64(duration) / f64::from(u32::try_from(cores)?);
    Ok(vec![
        Study::Noise.found("share of time that a core is taken away", share * 100.0, "%"),
        Study::Noise.found("longest gap", longest.as_secs_f64() * 1e3, "ms"),
    ])
}

/// The gaps in which this thread did not run.
fn watch(duration: Duration) -> Vec<Duration> {
    let begin = Instant::now();
    let (mut last, mut gaps) = (begin, Vec::new());
    while last < begin + duration {
        let now = Instant::now();
        if now - last >= SHORTEST {
            gaps.push(now - last);
        }
        last = now;
    }
    gaps
}
