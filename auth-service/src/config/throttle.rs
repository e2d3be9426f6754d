//! How often somebody may try to log in or to register.

use std::time::Duration;

use shared::config::seconds;

use crate::domain::{
    client_address::TrustedProxies,
    throttle::{Doubling, Steady},
};

/// How often somebody may try, counted by this instance.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Throttles")]
pub struct ThrottleConfig {
    /// How many wrong passwords may come from one address (IPv6: one /64) at once.
    #[arg(
        long = "login-attempts-per-source",
        env = "AUTH_LOGIN_ATTEMPTS_PER_SOURCE",
        default_value = "20",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    attempts_per_source: u32,

    /// After that: how often one more may come from it.
    #[arg(
        long = "login-source-interval-seconds",
        env = "AUTH_LOGIN_SOURCE_INTERVAL_SECONDS",
        default_value = "10",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    source_interval: Duration,

    /// How many wrong passwords may come for one name from one address. After that there is a wait
    /// of one second, and of twice as long after each further one.
    #[arg(
        long = "login-attempts-per-name",
        env = "AUTH_LOGIN_ATTEMPTS_PER_NAME",
        default_value = "5",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    attempts_per_name: u32,

    /// The longest such wait. One wrong password is forgotten each time it passes.
    #[arg(
        long = "login-max-wait-seconds",
        env = "AUTH_LOGIN_MAX_WAIT_SECONDS",
        default_value = "900",
        value_name = "SECONDS",
        value_parser = seconds(1..=86_400)
    )]
    max_wait: Duration,

    /// How many registrations may come from one address (IPv6: one /64) at once; as many more may
    /// come in an hour. Those from this machine are not counted.
    #[arg(
        long = "registrations-per-hour",
        env = "AUTH_REGISTRATIONS_PER_HOUR",
        default_value = "5",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    registrations_per_hour: u32,

    /// How many addresses, and names with addresses, are remembered; those that come once are
    /// forgotten first.
    #[arg(
        long = "throttle-entries",
        env = "AUTH_THROTTLE_ENTRIES",
        default_value = "65536",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=16_777_216)
    )]
    pub(crate) entries: u32,

    /// The proxies that are believed when they say in `x-forwarded-for` whom they call for:
    /// addresses or networks, separated by commas.
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
