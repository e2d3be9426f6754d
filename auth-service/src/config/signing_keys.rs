//! The settings of key rotation.

use std::time::Duration;

use shared::config::{milliseconds, seconds};

use crate::domain::key_schedule::{KeyPolicy, MAX_PUBLISHED};

/// Key rotation.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Signing keys")]
pub struct SigningKeyConfig {
    /// Time that a key signs access tokens before the next key replaces it, in seconds.
    #[arg(
        long = "key-rotation-seconds",
        env = "AUTH_KEY_ROTATION_SECONDS",
        default_value = "7776000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    rotation: Duration,

    /// Time that a key is published before it signs, in seconds. Verifiers must fetch the key set
    /// more often.
    #[arg(
        long = "key-lead-seconds",
        env = "AUTH_KEY_LEAD_SECONDS",
        default_value = "3600",
        value_name = "SECONDS",
        value_parser = seconds(1..=31_536_000)
    )]
    lead: Duration,

    /// Interval at which an instance reads the signing keys, in milliseconds, with ±10 % jitter. An
    /// instance that fails to read them for four intervals stops issuing tokens.
    #[arg(
        long = "key-refresh-ms",
        env = "AUTH_KEY_REFRESH_MS",
        default_value = "5000",
        value_name = "MS",
        value_parser = milliseconds(10..=3_600_000)
    )]
    pub(crate) refresh: Duration,
}

impl SigningKeyConfig {
    /// The time that an instance signs with stale keys.
    pub(crate) fn max_staleness(&self) -> Duration {
        4 * self.refresh
    }

    /// The maximum time that a client may cache the key set.
    pub(crate) fn lead(&self) -> Duration {
        self.lead
    }

    pub(super) fn policy(&self, token_lifetime: Duration, leeway: Duration) -> KeyPolicy {
        // An instance with stale keys still signs with the old key.
        let grace = leeway + self.max_staleness();
        let Self { rotation, lead, .. } = *self;
        KeyPolicy { rotation, lead, grace, token_lifetime }
    }

    /// All contradictions between settings, for the operator.
    pub(super) fn contradictions(&self, policy: &KeyPolicy) -> Vec<String> {
        let mut found = Vec::new();
        let KeyPolicy { rotation, lead, grace, token_lifetime } = *policy;
        if lead >= rotation {
            let rule = "AUTH_KEY_LEAD_SECONDS: must be less than AUTH_KEY_ROTATION_SECONDS";
            found.push(rule.to_owned());
        }
        if self.max_staleness() > lead {
            found.push(
                "AUTH_KEY_REFRESH_MS: must be at most a quarter of AUTH_KEY_LEAD_SECONDS, so that \
                 every instance publishes a key before it signs"
                    .to_owned(),
            );
        }
        let overlap = lead + token_lifetime + grace;
        let published = 1 + overlap.as_millis().div_ceil(rotation.as_millis());
        if published > MAX_PUBLISHED as u128 {
            found.push(format!(
                "AUTH_KEY_ROTATION_SECONDS: is so short that {published} keys would be published \
                 at once, and verifiers accept at most {MAX_PUBLISHED}; increase it, or decrease \
                 AUTH_KEY_LEAD_SECONDS or AUTH_ACCESS_TOKEN_LIFETIME_SECONDS"
            ));
        }
        found
    }
}
