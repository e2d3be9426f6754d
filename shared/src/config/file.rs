//! Reads the files that settings name: never without end, and never for ever.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The longest value of a setting, in bytes.
const MAX_VALUE_BYTES: usize = 64 * 1024;
/// The largest list of certificates, in bytes; all public roots together have a quarter of it.
const MAX_PEM_BYTES: usize = 1024 * 1024;
/// How long a pipe may take to end.
const PIPE_TIMEOUT: Duration = Duration::from_secs(5);

/// The text of the file that holds the value of a setting: a regular file, or a pipe that ends.
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

/// Parses the path of a file of certificates or keys, which has to be there.
pub fn pem_file(path: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(path);
    read_pem(&path).map_err(|rule| format!("{}: {rule}", path.display()))?;
    Ok(path)
}

/// What is in a regular file of certificates or keys.
///
/// # Errors
/// Says what is wrong with the file, in words that follow the setting's name.
pub fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    // To open a pipe may take for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("must be a regular file".to_owned());
    }
    read(path, MAX_PEM_BYTES)
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    // With room for all of it, so that no copies of a secret are left behind.
    let mut bytes = Vec::with_capacity(limit + 1);
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > limit { Err(format!("has more than {limit} bytes")) } else { Ok(bytes) }
}

/// Whoever writes may be late, or have forgotten it.
fn read_pipe(path: &Path) -> Result<Vec<u8>, String> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || sender.send(read(&path, MAX_VALUE_BYTES)));
    receiver.recv_timeout(PIPE_TIMEOUT).unwrap_or_else(|_| {
        Err(format!("is a pipe that did not end within {} seconds", PIPE_TIMEOUT.as_secs()))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is for `map_err`")]
fn unreadable(error: io::Error) -> String {
    format!("cannot read it: {error}")
}
