//! The settings of the server around a service: limits, drain, TLS.

use std::{net::SocketAddr, path::PathBuf, thread, time::Duration};

use super::seconds;

/// The listener's limits and its end.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServerConfig {
    /// Threads that answer calls, each with connections of its own; by default one for each core.
    #[arg(
        long = "server-workers",
        env = "SERVER_WORKERS",
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=256)
    )]
    pub workers: Option<u16>,

    /// Connections that may be open. One more closes one that is not used, of the address that has
    /// most.
    #[arg(
        id = "server_max_connections",
        long = "server-max-connections",
        env = "SERVER_MAX_CONNECTIONS",
        default_value = "1024",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_connections: u32,

    /// Calls that may be in flight; more are refused at once as RESOURCE_EXHAUSTED. Those of health
    /// and reflection do not count.
    #[arg(
        long = "server-max-calls",
        env = "SERVER_MAX_CALLS",
        default_value = "1024",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    pub max_calls: u32,

    /// Calls that one connection may have in flight.
    #[arg(
        long = "server-max-streams-per-connection",
        env = "SERVER_MAX_STREAMS_PER_CONNECTION",
        default_value = "200",
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=100_000)
    )]
    pub max_streams_per_connection: u32,

    /// The largest list of request headers, in bytes.
    #[arg(
        long = "server-max-header-list-bytes",
        env = "SERVER_MAX_HEADER_LIST_BYTES",
        default_value = "16384",
        value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1024..=1_048_576)
    )]
    pub max_header_list_bytes: u32,

    /// How long a new connection may take to send its first bytes, and for its TLS handshake.
    #[arg(
        long = "server-handshake-timeout-seconds",
        env = "SERVER_HANDSHAKE_TIMEOUT_SECONDS",
        default_value = "5",
        value_name = "SECONDS",
        value_parser = seconds(1..=300)
    )]
    pub handshake_timeout: Duration,

    /// When a connection is asked to end after its calls in flight, give or take a tenth, so that
    /// clients spread over new instances.
    #[arg(
        long = "server-max-connection-age-seconds",
        env = "SERVER_MAX_CONNECTION_AGE_SECONDS",
        default_value = "1800",
        value_name = "SECONDS",
        value_parser = seconds(1..=604_800)
    )]
    pub max_connection_age: Duration,

    /// When a silent connection is asked for a sign of life.
    #[arg(
        long = "server-keepalive-interval-seconds",
        env = "SERVER_KEEPALIVE_INTERVAL_SECONDS",
        default_value = "60",
        value_name = "SECONDS",
        value_parser = seconds(1..=3600)
    )]
    pub keepalive_interval: Duration,

    /// How long a connection may take to give it, or to take what is written to it, an answer for
    /// example.
    #[arg(
        long = "server-keepalive-timeout-seconds",
        env = "SERVER_KEEPALIVE_TIMEOUT_SECONDS",
        default_value = "20",
        value_name = "SECONDS",
        value_parser = seconds(1..=3600)
    )]
    pub keepalive_timeout: Duration,

    /// After SIGTERM: how long calls are still accepted, so that load balancers notice the health
    /// service's answer and send no more.
    #[arg(
        long = "server-drain-delay-seconds",
        env = "SERVER_DRAIN_DELAY_SECONDS",
        default_value = "5",
        value_name = "SECONDS",
        value_parser = seconds(0..=300)
    )]
    pub drain_delay: Duration,

    /// After that: how long calls in flight may take to finish.
    #[arg(
        long = "server-drain-timeout-seconds",
        env = "SERVER_DRAIN_TIMEOUT_SECONDS",
        default_value = "20",
        value_name = "SECONDS",
        value_parser = seconds(0..=300)
    )]
    pub drain_timeout: Duration,

    #[command(flatten)]
    #[expect(missing_docs, reason = "it is documented on its type")]
    pub tls: TlsConfig,
}

impl ServerConfig {
    /// How many threads answer calls.
    #[must_use]
    pub fn workers(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.workers.map_or_else(cores, usize::from)
    }
}

/// TLS of the listener: off without a certificate. The files are read again when they change.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsConfig {
    /// A file with the server's certificate and those that lead to its root, in PEM.
    #[arg(
        id = "server_tls_cert_file",
        long = "server-tls-cert-file",
        env = "SERVER_TLS_CERT_FILE",
        value_name = "FILE"
    )]
    pub cert_file: Option<PathBuf>,

    /// A file with the certificate's private key, in PEM.
    #[arg(
        id = "server_tls_key_file",
        long = "server-tls-key-file",
        env = "SERVER_TLS_KEY_FILE",
        value_name = "FILE"
    )]
    pub key_file: Option<PathBuf>,

    /// A file with the roots of client certificates, in PEM. With it every client needs one.
    #[arg(
        id = "server_tls_client_ca_file",
        long = "server-tls-client-ca-file",
        env = "SERVER_TLS_CLIENT_CA_FILE",
        value_name = "FILE"
    )]
    pub client_ca_file: Option<PathBuf>,

    /// Whether a listener that other machines can reach may do without TLS: behind a proxy that
    /// ends it, on a private network.
    #[arg(
        id = "server_allow_plaintext",
        long = "server-allow-plaintext",
        env = "SERVER_ALLOW_PLAINTEXT",
        default_value = "false",
        value_name = "BOOL",
        action = clap::ArgAction::Set
    )]
    pub allow_plaintext: bool,
}

impl TlsConfig {
    /// Whether a listener at this address may do with these settings: nobody speaks plain text with
    /// other machines by mistake.
    pub fn is_allowed_at(&self, address: SocketAddr) -> bool {
        self.cert_file.is_some() || self.allow_plaintext || address.ip().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_machine_unless_it_is_asked_for() {
        let config = |cert_file: Option<PathBuf>, allow_plaintext| TlsConfig {
            key_file: cert_file.clone(),
            cert_file,
            client_ca_file: None,
            allow_plaintext,
        };
        let file = || Some(PathBuf::from("cert.pem"));
        for (address, is_allowed) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
            ("[::ffff:10.0.0.1]:1", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(config(None, false).is_allowed_at(address), is_allowed, "{address}");
            assert!(config(None, true).is_allowed_at(address));
            assert!(config(file(), false).is_allowed_at(address));
        }
    }
}
