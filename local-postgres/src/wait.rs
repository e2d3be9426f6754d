//! Waiting by polling, because PostgreSQL shows its state in files and does not signal changes.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::Error;

const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// Whether the caller has cancelled a start.
pub(crate) type Cancelled<'a> = &'a dyn Fn() -> bool;

/// Polls `attempt` until it returns a value. Returns `None` if `limit` passes first.
pub(crate) fn poll<T, E>(
    limit: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let start = Instant::now();
    loop {
        let value = attempt()?;
        if value.is_some() || start.elapsed() > limit {
            return Ok(value);
        }
        sleep(POLL_INTERVAL);
    }
}

/// An error if the caller has cancelled the start.
pub(crate) fn check(cancelled: Cancelled) -> Result<(), Error> {
    if cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}
