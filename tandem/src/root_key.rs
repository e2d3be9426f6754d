//! The root key of the embedded mode: generated once and kept in a file that only its owner can
//! read.

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;
use auth_service::RootKeyConfig;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tempfile::NamedTempFile;

/// The root key in this file. If the file is absent, generates the key and writes it atomically.
pub(crate) fn ensure(file: &Path) -> anyhow::Result<RootKeyConfig> {
    let name = || file.display().to_string();
    if !file.try_exists().with_context(name)? {
        generate(file).with_context(name)?;
    }
    RootKeyConfig::from_file(file).map_err(anyhow::Error::msg).with_context(name)
}

fn generate(file: &Path) -> io::Result<()> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(io::Error::other)?;
    let dir = file.parent().unwrap_or(Path::new("."));
    // A temporary file has mode 0600.
    let mut new = NamedTempFile::new_in(dir)?;
    writeln!(new, "{}", STANDARD.encode(key))?;
    new.as_file().sync_all()?;
    match new.persist_noclobber(file) {
        Err(other) if other.error.kind() != io::ErrorKind::AlreadyExists => Err(other.error),
        _ => Ok(()),
    }
}
