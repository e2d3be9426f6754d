//! Children that end when this process does, `kill -9` included, and the sweeping up after them.
//!
//! Both work by pipes: the kernel closes our ends however we end. (A parent-death signal would
//! come when the *thread* that started the child ends, and not at all on macOS.)

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, PipeWriter, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::run_as::RunAs;

/// Becomes the program `"$@"`, having started a watcher outside of the program's process tree.
///
/// The watcher reads our pipe. A line says that the program has ended; end of file, that we have,
/// and then it stops the program: INT is PostgreSQL's fast shutdown, and TERM is for the moment
/// before the program minds signals, as a shell's background job is started with INT ignored.
const WATCHED: &str = "\
exec 3<&0 </dev/null
( ( trap '' HUP INT QUIT TERM
    read -r line || { kill -TERM $$; kill -INT $$; }
  ) <&3 >/dev/null 2>&1 & )
exec \"$@\" 3<&-";

/// Waits for the end of all that holds the pipe, then removes the paths.
const SWEEPER: &str = "\
trap '' HUP INT QUIT TERM
while read -r line; do :; done
rm -rf -- \"$@\"";

/// A running program, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Watched {
    program: Child,
    watcher: ChildStdin,
}

impl Watched {
    /// Starts the program in a process group of its own, so that Ctrl-C does not reach it.
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
            .stdout(sweeper.wait_for()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let watcher = program.stdin.take().expect("stdin was asked to be a pipe");
        Ok(Self { program, watcher })
    }

    /// Of the program, since the shell becomes it.
    pub(crate) fn pid(&self) -> u32 {
        self.program.id()
    }

    /// `None` while it runs.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.program.try_wait()
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        self.program.wait()
    }

    /// Interrupts it, and waits.
    pub(crate) fn stop(mut self) -> io::Result<ExitStatus> {
        self.interrupt()
    }

    fn interrupt(&mut self) -> io::Result<ExitStatus> {
        // Once it is known to have ended, its pid may be another's.
        if let Some(status) = self.program.try_wait()? {
            return Ok(status);
        }
        let pid = self.program.id().try_into().map_err(io::Error::other)?;
        kill(Pid::from_raw(pid), Signal::SIGINT)?;
        self.program.wait()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Nobody is left to tell; and the watcher may have been killed.
        let _ = self.interrupt();
        let _ = self.watcher.write_all(b"ended\n");
    }
}

/// Outlives this process and all that it started, then removes what they leave; holds the lock of
/// the directory until then, so that nobody starts on it too early. Dropping it waits for that.
#[derive(Debug)]
pub(crate) struct Sweeper {
    process: Child,
    /// Every program that must end first has a copy as its standard output.
    pipe: Option<PipeWriter>,
}

impl Sweeper {
    /// `home` and `lock` are the directory and its lock.
    pub(crate) fn spawn(home: &Path, lock: File, remove: &[PathBuf]) -> io::Result<Self> {
        let (reader, pipe) = io::pipe()?;
        let process = Command::new("/bin/sh")
            .args(["-c", SWEEPER])
            // For people who read the list of processes.
            .arg(format!("sweeper of {}", home.display()))
            .args(remove)
            .current_dir("/")
            .stdin(reader)
            .stdout(lock)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { process, pipe: Some(pipe) })
    }

    fn wait_for(&self) -> io::Result<Stdio> {
        let pipe = self.pipe.as_ref().expect("only dropping takes the pipe away");
        Ok(pipe.try_clone()?.into())
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.pipe = None;
        // It cannot fail but by being killed, and then there is nobody to tell.
        let _ = self.process.wait();
    }
}
