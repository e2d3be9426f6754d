//! The root key of the embedded mode: generated once and kept in a file that only its owner can
//! read.

use std::{
    fs::{self, Metadata},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use anyhow::Context as _;
use auth_service::RootKeyConfig;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use nix::unistd::Uid;
use tempfile::NamedTempFile;

/// The root key in this file. If the file is absent, generates the key and writes it atomically.
pub(crate) fn ensure(file: &Path) -> anyhow::Result<RootKeyConfig> {
    let name = || file.display().to_string();
    let checked = match fs::metadata(file) {
        Ok(found) => check_access(file, &found),
        Err(error) if error.kind() == io::ErrorKind::NotFound => generate(file),
        Err(error) => Err(error),
    };
    checked.with_context(name)?;
    RootKeyConfig::from_file(file).map_err(anyhow::Error::msg).with_context(name)
}

/// An error if a user other than the owner can access the file, or has written it.
fn check_access(file: &Path, found: &Metadata) -> io::Result<()> {
    let file = file.display();
    let problem = if found.uid() != Uid::effective().as_raw() {
        format!("it belongs to another user; if its content is yours, run `chown $(id -u) {file}`")
    } else if found.mode() & 0o077 != 0 {
        format!("other users can access it; if its content is yours, run `chmod 600 {file}`")
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

/// 32 random bytes in base64.
pub(crate) fn random() -> io::Result<String> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(io::Error::other)?;
    Ok(STANDARD.encode(key))
}

fn generate(file: &Path) -> io::Result<()> {
    let key = random()?;
    let dir = file.parent().unwrap_or(Path::new("."));
    // A temporary file has mode 0600.
    let mut new = NamedTempFile::new_in(dir)?;
    writeln!(new, "{key}")?;
    new.as_file().sync_all()?;
    match new.persist_noclobber(file) {
        Err(other) if other.error.kind() != io::ErrorKind::AlreadyExists => Err(other.error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt as _, chown},
    };

    use super::*;

    #[test]
    fn a_key_that_another_user_can_access_is_refused_with_the_command_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("root.key");
        ensure(&file).expect("a new key is accepted");
        for mode in [0o600, 0o400] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            ensure(&file).expect("a private key is accepted");
        }
        for mode in [0o666, 0o620, 0o640, 0o602, 0o604] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let error = format!("{:#}", ensure(&file).unwrap_err());
            assert!(error.contains(&format!("`chmod 600 {}`", file.display())), "{mode:o} {error}");
        }
    }

    #[test]
    fn a_key_of_another_user_is_refused() {
        if !Uid::effective().is_root() {
            return; // Only root can change the owner of a file.
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("root.key");
        ensure(&file).unwrap();
        chown(&file, Some(65534), None).unwrap();
        let error = format!("{:#}", ensure(&file).unwrap_err());
        assert!(error.contains("belongs to another user"), "{error}");
    }
}
