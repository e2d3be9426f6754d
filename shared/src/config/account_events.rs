//! The secret with which services authenticate to auth-service's `AccountEventsService`.

use std::{fmt, str::FromStr};

/// The fewest characters of the secret: 24 random bytes in base64.
const MIN_CHARACTERS: usize = 32;

/// The account events, which tell other services that a user was purged.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(multiple = false)]
pub struct AccountEventsConfig {
    /// Secret that task-service presents to auth-service to follow the account events: at least 32
    /// visible ASCII characters, from `openssl rand -base64 32`. Both services need the same value.
    /// Without it (and without ACCOUNT_EVENTS_SECRET_FILE), the tasks of purged users stay.
    #[arg(
        id = "account_events_secret",
        long = "account-events-secret",
        env = "ACCOUNT_EVENTS_SECRET",
        hide_env_values = true,
        value_name = "TEXT",
        help_heading = "Account events"
    )]
    secret: Option<ServiceSecret>,

    /// Path of a file or pipe that holds this secret.
    #[arg(
        id = "account_events_secret_file",
        long = "account-events-secret-file",
        env = "ACCOUNT_EVENTS_SECRET_FILE",
        value_name = "PATH",
        help_heading = "Account events"
    )]
    file: Option<ServiceSecretFile>,
}

impl AccountEventsConfig {
    /// The secret, from the variable or the file.
    #[must_use]
    pub fn secret(&self) -> Option<&ServiceSecret> {
        self.secret.as_ref().or(self.file.as_ref().map(|ServiceSecretFile(secret)| secret))
    }
}

impl From<ServiceSecret> for AccountEventsConfig {
    fn from(secret: ServiceSecret) -> Self {
        Self { secret: Some(secret), file: None }
    }
}

/// A secret that services share. Never printed.
#[derive(Clone)]
pub struct ServiceSecret(String);

impl ServiceSecret {
    /// The secret, to present it or to compare it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.len() < MIN_CHARACTERS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("expected at least 32 visible ASCII characters: generate them with \
                        `openssl rand -base64 32`");
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for ServiceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceSecret")
    }
}

/// A secret that was read from the file whose path was parsed.
#[derive(Clone, Debug)]
struct ServiceSecretFile(ServiceSecret);

impl FromStr for ServiceSecretFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let text = super::read_value(path)?;
        text.parse().map(Self).map_err(|rule| format!("its content is not valid: {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_visible_and_is_never_printed() {
        let secret: ServiceSecret = format!(" {}\n", "k".repeat(32)).parse().unwrap();
        assert_eq!(secret.expose(), "k".repeat(32));
        assert_eq!(format!("{secret:?}"), "ServiceSecret");
        let long = "k".repeat(31);
        for bad in ["", &long, &format!("{long} k"), &format!("{long}é"), &format!("{long}\0k")] {
            bad.parse::<ServiceSecret>().expect_err("it is rejected");
        }
    }
}
