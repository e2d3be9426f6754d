//! How much the machine keeps from everybody: a core that does nothing but look at the clock sees
//! when it was taken away. No latency is better than that.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Finding, Study};
use crate::options::Options;

/// What is shorter may be the work of the kernel.
const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn measure(options: &Options) -> anyhow::Result<Vec<Finding>> {
    let cores = thread::available_parallelism()?.get();
    let duration = options.seconds();
    let gaps: Vec<Duration> = thread::scope(|scope| {
        let watching: Vec<_> = (0..cores).map(|_| scope.spawn(|| watch(duration))).collect();
        let seen = watching.into_iter().map(|gaps| gaps.join().expect("a watch does not panic"));
        seen.flatten().collect()
    });
    let longest = gaps.iter().max().copied().unwrap_or_default();
    let share =
        gaps.iter().sum::<Duration>().div_duration_f64(duration) / f64::from(u32::try_from(cores)?);
    Ok(vec![
        Study::Noise.found("time that a core is taken away", share * 100.0, "%"),
        Study::Noise.found("at once, at most", longest.as_secs_f64() * 1e3, "ms"),
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
