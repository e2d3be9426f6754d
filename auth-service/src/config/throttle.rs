//! The settings of the throttles of logins and registrations.

use std::time::Duration;

use shared::config::{count, seconds};

use crate::domain::{
    client_address::TrustedProxies,
    throttle::{Doubling, Steady},
};

/// Throttles of logins and registrations. Each instance counts for itself.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Throttles")]
pub struct ThrottleConfig {
    /// Maximum burst of wrong passwords from an address (IPv6: a /64). At the limit, further logins
    /// from it fail with RESOURCE_EXHAUSTED.
    #[arg(
        long = "login-attempts-per-source",
        env = "AUTH_LOGIN_ATTEMPTS_PER_SOURCE",
        default_value = "20",
        value_name = "N",
        value_parser = count::<u32>(1..=1_000_000)
    )]
    attempts_per_source: u32,

    /// Interval at which an address regains an attempt after the burst, in seconds.
    #[arg(
        long = "login-source-interval-seconds",
        env = "AUTH_LOGIN_SOURCE_INTERVAL_SECONDS",
        default_value = "10",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    source_interval: Duration,

    /// Maximum number of wrong passwords for a username from an address without a wait. The next
    /// login then waits 1 second, and twice as long after each further wrong password.
    #[arg(
        long = "login-attempts-per-name",
        env = "AUTH_LOGIN_ATTEMPTS_PER_NAME",
        default_value = "5",
        value_name = "N",
        value_parser = count::<u32>(1..=1_000_000)
    )]
    attempts_per_name: u32,

    /// Maximum wait for a username from an address, in seconds. Each time it passes, a wrong
    /// password is forgiven.
    #[arg(
        long = "login-max-wait-seconds",
        env = "AUTH_LOGIN_MAX_WAIT_SECONDS",
        default_value = "900",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    max_wait: Duration,

    /// Maximum burst of registrations from an address (IPv6: a /64), and maximum rate per hour. At
    /// the limit, registrations fail with RESOURCE_EXHAUSTED. Those from this machine do not count.
    #[arg(
        long = "registrations-per-hour",
        env = "AUTH_REGISTRATIONS_PER_HOUR",
        default_value = "5",
        value_name = "N",
        value_parser = count::<u32>(1..=1_000_000)
    )]
    registrations_per_hour: u32,

    /// Maximum number of addresses, and of usernames with addresses, that the throttles track. At
    /// the limit, entries with a single attempt are evicted first.
    #[arg(
        long = "throttle-entries",
        env = "AUTH_THROTTLE_ENTRIES",
        default_value = "65536",
        value_name = "N",
        value_parser = count::<u32>(1..=16_777_216)
    )]
    pub(crate) entries: u32,

    /// Proxies whose `x-forwarded-for` or `forwarded` (RFC 7239) header is trusted: addresses or
    /// networks, separated by commas. If empty, both headers are ignored.
    #[arg(
        long = "trusted-proxies",
        env = "AUTH_TRUSTED_PROXIES",
        default_value = "",
        value_name = "IP,NETWORK/BITS"
    )]
    pub(crate) trusted_proxies: TrustedProxies,
}

impl ThrottleConfig {
    pub(crate) fn login_per_source(&self) -> Steady {
        Steady { burst: self.attempts_per_source, interval: self.source_interval }
    }

    pub(crate) fn login_per_name(&self) -> Doubling {
        Doubling { free: self.attempts_per_name, max_wait: self.max_wait }
    }

    pub(crate) fn register_per_source(&self) -> Steady {
        let burst = self.registrations_per_hour;
        Steady { burst, interval: Duration::from_hours(1) / burst }
    }
}
