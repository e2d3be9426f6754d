//! Reads the files that settings name, with a limit on size and time.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The maximum size of a setting's value, in bytes.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// The maximum size of a list of certificates, in bytes: four times all public roots.
const MAX_PEM_BYTES: usize = 1024 * 1024;
/// The maximum time until the writer closes a pipe.
const PIPE_TIMEOUT: Duration = Duration::from_secs(5);

/// Reads the value of a setting from a regular file or a pipe.
///
/// # Errors
/// Says what is wrong with the file, in words that follow the setting's name.
pub fn read_value(path: &str) -> Result<String, String> {
    let path = Path::new(path);
    let kind = fs::metadata(path).map_err(unreadable)?.file_type();
    let bytes = if kind.is_file() {
        read(path, MAX_VALUE_BYTES)
    } else if kind.is_fifo() {
        read_pipe(path)
    } else {
        Err("must be a regular file or a pipe".to_owned())
    }?;
    String::from_utf8(bytes).map_err(|_| "its content is not Unicode".to_owned())
}

/// Parses the path of an existing file of certificates or keys.
pub fn pem_file(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    read_pem(&path).map_err(|rule| format!("{}: {rule}", path.display()))?;
    Ok(path)
}

/// Reads a regular file of certificates or keys.
///
/// # Errors
/// Says what is wrong with the file, in words that follow the setting's name.
pub fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    // Opening a pipe blocks until a writer opens it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("must be a regular file".to_owned());
    }
    read(path, MAX_PEM_BYTES)
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    // The full capacity at once: a reallocation would leave a copy of a secret in memory.
    let mut bytes = Vec::with_capacity(limit + 1);
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > limit { Err(format!("is larger than {limit} bytes")) } else { Ok(bytes) }
}

/// Waits for the writer of the pipe, which may be slow or absent.
fn read_pipe(path: &Path) -> Result<Vec<u8>, String> {
    let (tx, rx) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || tx.send(read(&path, MAX_VALUE_BYTES)));
    rx.recv_timeout(PIPE_TIMEOUT).unwrap_or_else(|_| {
        Err(format!("is a pipe that was not closed within {} seconds", PIPE_TIMEOUT.as_secs()))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes the error by value")]
fn unreadable(error: io::Error) -> String {
    format!("cannot read it: {error}")
}
