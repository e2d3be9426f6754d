//! How signing keys follow one another.

use std::time::Duration;

use shared::config::{milliseconds, seconds};

use crate::domain::key_schedule::{KeyPolicy, MAX_PUBLISHED};

/// How signing keys follow one another.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Signing keys")]
pub struct SigningKeyConfig {
    /// How long a key signs access tokens before the next one does.
    #[arg(
        long = "key-rotation-seconds",
        env = "AUTH_KEY_ROTATION_SECONDS",
        default_value = "7776000",
        value_name = "SECONDS",
        value_parser = seconds(1..=315_360_000)
    )]
    rotation: Duration,

    /// How long a key is published before it signs. Verifiers must fetch the keys more often.
    #[arg(
        long = "key-lead-seconds",
        env = "AUTH_KEY_LEAD_SECONDS",
        default_value = "3600",
        value_name = "SECONDS",
        value_parser = seconds(1..=31_536_000)
    )]
    lead: Duration,

    /// How often an instance looks for changes of the keys, give or take a tenth. One that cannot
    /// for four times as long gives no more tokens.
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
    /// For how long an instance signs with the keys that it has read last.
    pub(crate) fn max_staleness(&self) -> Duration {
        4 * self.refresh
    }

    /// The lead that caches of the key set must not outlast.
    pub(crate) fn lead(&self) -> Duration {
        self.lead
    }

    pub(super) fn policy(&self, token_lifetime: Duration, leeway: Duration) -> KeyPolicy {
        // An instance that has not noticed yet signs with the old key.
        let grace = leeway + self.max_staleness();
        let Self { rotation, lead, .. } = *self;
        KeyPolicy { rotation, lead, grace, token_lifetime }
    }

    /// What contradicts itself, in words for whoever sets it.
    pub(super) fn contradictions(&self, policy: &KeyPolicy) -> Vec<String> {
        let mut found = Vec::new();
        let KeyPolicy { rotation, lead, grace, token_lifetime } = *policy;
        if lead >= rotation {
            found.push(
                "AUTH_KEY_LEAD_SECONDS (--key-lead-seconds): must be less than \
                 AUTH_KEY_ROTATION_SECONDS"
                    .to_owned(),
            );
        }
        if self.max_staleness() > lead {
            found.push(
                "AUTH_KEY_REFRESH_MS (--key-refresh-ms): must be at most a quarter of \
                 AUTH_KEY_LEAD_SECONDS, so that every instance knows a key before it signs"
                    .to_owned(),
            );
        }
        let overlap = lead + token_lifetime + grace;
        let published = 1 + overlap.as_millis().div_ceil(rotation.as_millis());
        if published > MAX_PUBLISHED as u128 {
            found.push(format!(
                "AUTH_KEY_ROTATION_SECONDS (--key-rotation-seconds): is so short that \
                 {published} keys would be published at once, and verifiers accept \
                 {MAX_PUBLISHED}; shorten AUTH_KEY_LEAD_SECONDS or \
                 AUTH_ACCESS_TOKEN_LIFETIME_SECONDS, or rotate less often"
            ));
        }
        found
    }
}
