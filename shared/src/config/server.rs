//! The settings of the server around a service: limits, drain, TLS.

use std::{net::SocketAddr, path::PathBuf, thread, time::Duration};

use super::{Origins, bytes, count, seconds};

/// The listener's limits and its drain.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub struct ServerConfig {
    /// Number of threads that answer calls, each with its own database connections. Defaults to the
    /// number of cores.
    #[arg(
        long = "server-workers",
        env = "SERVER_WORKERS",
        value_name = "N",
        value_parser = count::<u16>(1..=256)
    )]
    pub workers: Option<u16>,

    /// Maximum number of open connections. At the limit, a new connection evicts the least recently
    /// used one of the address holding the most.
    #[arg(
        id = "server_max_connections",
        long = "server-max-connections",
        env = "SERVER_MAX_CONNECTIONS",
        default_value = "1024",
        value_name = "N",
        value_parser = count::<u32>(1..=1_000_000)
    )]
    pub max_connections: u32,

    /// Maximum number of calls in flight. At the limit, further calls fail at once with
    /// RESOURCE_EXHAUSTED. Health and reflection calls do not count.
    #[arg(
        long = "server-max-calls",
        env = "SERVER_MAX_CALLS",
        default_value = "1024",
        value_name = "N",
        value_parser = count::<u32>(1..=1_000_000)
    )]
    pub max_calls: u32,

    /// Maximum number of calls in flight per connection. At the limit, clients queue further
    /// calls.
    #[arg(
        long = "server-max-streams-per-connection",
        env = "SERVER_MAX_STREAMS_PER_CONNECTION",
        default_value = "200",
        value_name = "N",
        value_parser = count::<u32>(1..=100_000)
    )]
    pub max_streams_per_connection: u32,

    /// Maximum size of a call's request headers, in bytes. Larger requests get HTTP status 431.
    #[arg(
        long = "server-max-header-list-bytes",
        env = "SERVER_MAX_HEADER_LIST_BYTES",
        default_value = "16384",
        value_name = "BYTES",
        value_parser = bytes::<u32>(1024..=1_048_576)
    )]
    pub max_header_list_bytes: u32,

    /// Maximum time for a new connection to send its first bytes, and for its TLS handshake, in
    /// seconds. The connection is then closed.
    #[arg(
        long = "server-handshake-timeout-seconds",
        env = "SERVER_HANDSHAKE_TIMEOUT_SECONDS",
        default_value = "5",
        value_name = "SECONDS",
        value_parser = seconds(1..=300)
    )]
    pub handshake_timeout: Duration,

    /// Age at which a connection drains, in seconds, with ±10 % jitter. Clients reconnect and so
    /// spread over new instances.
    #[arg(
        long = "server-max-connection-age-seconds",
        env = "SERVER_MAX_CONNECTION_AGE_SECONDS",
        default_value = "1800",
        value_name = "SECONDS",
        value_parser = seconds(1..=604_800)
    )]
    pub max_connection_age: Duration,

    /// Interval between keepalive pings, in seconds.
    #[arg(
        long = "server-keepalive-interval-seconds",
        env = "SERVER_KEEPALIVE_INTERVAL_SECONDS",
        default_value = "60",
        value_name = "SECONDS",
        value_parser = seconds(1..=3600)
    )]
    pub keepalive_interval: Duration,

    /// Maximum time for a client to answer a keepalive ping or to read pending data, in seconds.
    /// The connection is then closed.
    #[arg(
        long = "server-keepalive-timeout-seconds",
        env = "SERVER_KEEPALIVE_TIMEOUT_SECONDS",
        default_value = "20",
        value_name = "SECONDS",
        value_parser = seconds(1..=3600)
    )]
    pub keepalive_timeout: Duration,

    /// Time after SIGTERM during which calls are still accepted, in seconds. The health service
    /// already answers NOT_SERVING, so load balancers stop sending calls.
    #[arg(
        long = "server-drain-delay-seconds",
        env = "SERVER_DRAIN_DELAY_SECONDS",
        default_value = "5",
        value_name = "SECONDS",
        value_parser = seconds(0..=300)
    )]
    pub drain_delay: Duration,

    /// Maximum time for calls in flight to finish after the drain delay, in seconds. Remaining
    /// calls are then aborted.
    #[arg(
        long = "server-drain-timeout-seconds",
        env = "SERVER_DRAIN_TIMEOUT_SECONDS",
        default_value = "20",
        value_name = "SECONDS",
        value_parser = seconds(0..=300)
    )]
    pub drain_timeout: Duration,

    /// Whether REST and Connect are on. gRPC-Web always is.
    #[arg(
        id = "server_http_json",
        long = "server-http-json",
        env = "SERVER_HTTP_JSON",
        default_value = "true",
        value_name = "BOOL",
        action = clap::ArgAction::Set
    )]
    pub http_json: bool,

    /// Whether `/docs` is served: a page to read and try the API. Defaults to true if the address
    /// for calls is loopback. Requires SERVER_HTTP_JSON.
    #[arg(
        id = "server_docs",
        long = "server-docs",
        env = "SERVER_DOCS",
        value_name = "BOOL",
        action = clap::ArgAction::Set
    )]
    pub docs: Option<bool>,

    /// Origins of the web pages that may read responses (CORS), separated by commas: for example
    /// `https://app.example.com`. `*` allows all. If absent, only the public keys can be read.
    #[arg(
        id = "server_cors_origins",
        long = "server-cors-origins",
        env = "SERVER_CORS_ORIGINS",
        value_name = "ORIGINS"
    )]
    pub cors_origins: Option<Origins>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "it is documented on its type")]
    pub tls: TlsConfig,
}

impl ServerConfig {
    /// The number of threads that answer calls.
    #[must_use]
    pub fn workers(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        self.workers.map_or_else(cores, usize::from)
    }
}

/// TLS of the listener: off without a certificate. Changed files are reloaded.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsConfig {
    /// Path of the server's certificate chain, in PEM, leaf first. If absent, TLS is off. Changed
    /// files are reloaded.
    #[arg(
        id = "server_tls_cert_file",
        long = "server-tls-cert-file",
        env = "SERVER_TLS_CERT_FILE",
        value_name = "FILE"
    )]
    pub cert_file: Option<PathBuf>,

    /// Path of the certificate's private key, in PEM.
    #[arg(
        id = "server_tls_key_file",
        long = "server-tls-key-file",
        env = "SERVER_TLS_KEY_FILE",
        value_name = "FILE"
    )]
    pub key_file: Option<PathBuf>,

    /// Path of the root certificates that client certificates are verified with, in PEM. If set,
    /// every client needs a certificate.
    #[arg(
        id = "server_tls_client_ca_file",
        long = "server-tls-client-ca-file",
        env = "SERVER_TLS_CLIENT_CA_FILE",
        value_name = "FILE"
    )]
    pub client_ca_file: Option<PathBuf>,

    /// Whether an address that other machines can reach is allowed without TLS. Set it only behind
    /// a proxy that terminates TLS, on a private network.
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
    /// Whether these settings allow a listener at this address. Plaintext beyond this machine needs
    /// an explicit setting.
    pub fn is_allowed_at(&self, address: SocketAddr) -> bool {
        self.cert_file.is_some() || self.allow_plaintext || address.ip().is_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_stays_on_this_machine_unless_it_is_allowed() {
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
