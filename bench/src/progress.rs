//! The lines that a run prints on standard error while it works, each with the time since its
//! start.

use std::{
    fmt::Display,
    io::{self, Write as _},
    sync::{
        LazyLock,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_secs(10);

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Prints a line. A closed standard error does not end the run.
pub(crate) fn print(text: impl Display) {
    let seconds = START.elapsed().as_secs();
    let _ = writeln!(io::stderr(), "[{:>2}:{:02}] {text}", seconds / 60, seconds % 60);
}

/// Prints what the work is, and a line every ten seconds until the work is done.
pub(crate) fn during<T>(text: impl Display, work: impl FnOnce() -> T) -> T {
    let text = text.to_string();
    print(&text);
    let (tx, rx) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            while rx.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                print(format_args!("still {text}"));
            }
        });
        let result = work();
        drop(tx);
        result
    })
}
