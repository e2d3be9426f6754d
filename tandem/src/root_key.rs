//! The root key of the embedded mode: made once and kept in a file that only its owner can read.

use std::{
    io::{self, Write as _},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::NamedTempFile;

/// Makes the file if there is none. It is there whole or not at all.
pub(crate) fn ensure(file: &Path) -> io::Result<()> {
    if file.try_exists()? {
        return Ok(());
    }
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(io::Error::other)?;
    let dir = file.parent().unwrap_or(Path::new("."));
    // Only its owner may read it: such files are made with mode 0600.
    let mut new = NamedTempFile::new_in(dir)?;
    writeln!(new, "{}", STANDARD.encode(key))?;
    new.as_file().sync_all()?;
    match new.persist_noclobber(file) {
        Err(other) if other.error.kind() != io::ErrorKind::AlreadyExists => Err(other.error),
        _ => Ok(()),
    }
}
