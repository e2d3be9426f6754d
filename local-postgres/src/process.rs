//! The state and the end of processes.

use std::{fs, io, time::Duration};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wait::poll;

/// How a server is stopped: each signal, and how long the server has to end before the next one.
///
/// INT is PostgreSQL's fast shutdown, which writes a checkpoint. QUIT is its immediate shutdown,
/// which loses no committed data and kills child processes that do not end within 5 s.
pub(crate) const STOP: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(15)),
    (Signal::SIGQUIT, Duration::from_secs(7)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// Sends the signals in order until `ended` returns a value.
pub(crate) fn stop<T>(
    pid: u32,
    signals: &[(Signal, Duration)],
    mut ended: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<T> {
    let target = Pid::from_raw(pid.try_into().map_err(io::Error::other)?);
    for &(signal, limit) in signals {
        // The pid of a process that has ended may belong to another process.
        if let Some(value) = ended()? {
            return Ok(value);
        }
        match kill(target, signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => return Err(error.into()),
        }
        if let Some(value) = poll(limit, &mut ended)? {
            return Ok(value);
        }
        tracing::warn!(pid, %signal, ?limit, "PostgreSQL did not stop within the limit");
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, format!("process {pid} does not end")))
}

/// Whether a process with this pid runs. False if the text is not a pid.
pub(crate) fn is_alive(pid: &str) -> bool {
    let Ok(pid) = pid.parse() else { return false };
    kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH) && !is_zombie(pid.unsigned_abs())
}

/// Whether the process has ended without its parent having waited for it. A signal to a zombie
/// succeeds, and in a container whose init never waits, a zombie stays. Always false outside Linux.
pub(crate) fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::process::ExitStatusExt,
        process::{Command, Stdio},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_process_that_ignores_signals_is_killed_and_each_step_is_logged() {
        let script = "trap '' INT QUIT; echo; while :; do sleep 0.01; done";
        let mut child =
            Command::new("/bin/sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        // From here on, the script ignores the signals.
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();

        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let limits = STOP.map(|(signal, _)| (signal, Duration::from_millis(100)));
        let status = tracing::subscriber::with_default(subscriber, || {
            stop(child.id(), &limits, || child.try_wait())
        });
        assert_eq!(status.unwrap().signal(), Some(Signal::SIGKILL as i32));
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("did not stop within the limit").count(), 2, "{log}");
        assert!(log.contains("SIGINT") && log.contains("SIGQUIT"), "{log}");
    }
}
