//! Child processes that end with this process, even after `kill -9`, and removal of their files.
//!
//! Both rely on pipes, because the kernel closes this process's ends in every case. A parent-death
//! signal comes when the *thread* that started the child ends, and macOS has none.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, PipeWriter, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ExitStatus, Stdio},
    time::Duration,
};

use crate::{
    process,
    run_as::{RunAs, isolated},
    wait::poll,
};

/// How long the sweeper may take after the last watched program has ended.
const SWEEP_WITHIN: Duration = Duration::from_secs(10);

/// Starts a watcher outside the program's process tree, then becomes the program `"$@"`.
///
/// The watcher reads a pipe from this process. A line means that the program has ended. End of file
/// means that this process has ended, so the watcher stops the program. INT is PostgreSQL's fast
/// shutdown. TERM stops the program before it handles signals, when INT is still ignored because a
/// shell starts background jobs that way.
const WATCHED: &str = "\
exec 3<&0 </dev/null
( ( trap '' HUP INT QUIT TERM
    read -r line || { kill -TERM $$; kill -INT $$; }
  ) <&3 >/dev/null 2>&1 & )
exec \"$@\" 3<&-";

/// Waits until every process that holds the pipe has ended, then removes the paths.
const SWEEPER: &str = "\
trap '' HUP INT QUIT TERM
while read -r line; do :; done
rm -rf -- \"$@\"";

/// A running program. Dropping it stops the program.
#[derive(Debug)]
pub(crate) struct Watched {
    program: Child,
    watcher: ChildStdin,
}

impl Watched {
    /// Starts the program in its own process group, so that Ctrl-C does not reach it.
    pub(crate) fn spawn<A: AsRef<OsStr>>(
        run_as: &RunAs,
        program_and_args: impl IntoIterator<Item = A>,
        sweeper: &Sweeper,
        log: File,
    ) -> io::Result<Self> {
        let mut program = run_as
            .command("/bin/sh")
            .args(["-c", WATCHED, "watcher"])
            .args(program_and_args)
            .stdin(Stdio::piped())
            .stdout(sweeper.pipe()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let watcher = program.stdin.take().expect("stdin is a pipe, as set above");
        Ok(Self { program, watcher })
    }

    /// The pid of the program, because the shell becomes the program.
    pub(crate) fn pid(&self) -> u32 {
        self.program.id()
    }

    /// The exit status, or `None` while the program runs.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.program.try_wait()
    }

    /// Stops the program within the limits of [`process::STOP`].
    pub(crate) fn stop(&mut self) -> io::Result<ExitStatus> {
        process::stop(self.program.id(), &process::STOP, || self.program.try_wait())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // A destructor cannot return an error, and the watcher may have been killed.
        let _ = self.stop();
        let _ = self.watcher.write_all(b"ended\n");
    }
}

/// A process that outlives this one and all watched programs, then removes their files. It holds
/// the lock of the directory until then, so that no server starts there too early. Dropping it
/// waits until the files are removed, for at most [`SWEEP_WITHIN`].
#[derive(Debug)]
pub(crate) struct Sweeper {
    process: Child,
    /// Every watched program has a copy as its standard output.
    pipe: Option<PipeWriter>,
}

impl Sweeper {
    /// Starts the sweeper of the directory `home`, whose lock is `lock`.
    pub(crate) fn spawn(home: &Path, lock: File, remove: &[PathBuf]) -> io::Result<Self> {
        let (reader, pipe) = io::pipe()?;
        let process = isolated("/bin/sh")
            .args(["-c", SWEEPER])
            // Shown in the list of processes.
            .arg(format!("sweeper of {}", home.display()))
            .args(remove)
            .stdin(reader)
            .stdout(lock)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { process, pipe: Some(pipe) })
    }

    fn pipe(&self) -> io::Result<Stdio> {
        let pipe = self.pipe.as_ref().expect("only `drop` takes the pipe");
        Ok(pipe.try_clone()?.into())
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.pipe = None;
        if let Ok(None) = poll(SWEEP_WITHIN, || self.process.try_wait()) {
            let pid = self.process.id();
            tracing::warn!(pid, limit = ?SWEEP_WITHIN, "the sweeper still waits for a process");
        }
    }
}
