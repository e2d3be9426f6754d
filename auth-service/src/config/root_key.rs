//! The setting of the root key.

use std::path::Path;

use crate::domain::root_key::{RootKey, RootKeyFile};

/// The root key, from which all other secrets are derived. It is never stored in the database.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct RootKeyConfig {
    /// Root key: 32 random bytes in base64, from `openssl rand -base64 32`. It decrypts the signing
    /// keys in the database and is never stored there. Without it, no stored signing key can be
    /// used again. Required unless AUTH_ROOT_KEY_FILE is set.
    #[arg(
        long = "root-key",
        env = "AUTH_ROOT_KEY",
        hide_env_values = true,
        value_name = "BASE64",
        help_heading = "Root key"
    )]
    root_key: Option<RootKey>,

    /// Path of a file or pipe that holds the root key.
    #[arg(
        long = "root-key-file",
        env = "AUTH_ROOT_KEY_FILE",
        value_name = "PATH",
        help_heading = "Root key"
    )]
    root_key_file: Option<RootKeyFile>,
}

impl RootKeyConfig {
    /// The root key in this file.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let file = path.to_str().ok_or("the path is not Unicode")?.parse()?;
        Ok(Self { root_key: None, root_key_file: Some(file) })
    }

    /// The root key, from the variable or the file.
    pub(crate) fn get(&self) -> &RootKey {
        let from_file = self.root_key_file.as_ref().map(|RootKeyFile(key)| key);
        self.root_key.as_ref().or(from_file).expect("the argument group requires a root key")
    }
}
