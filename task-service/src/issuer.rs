//! The issuer of the callers' tokens: its key set, fetched with metrics, traces and a client
//! certificate.

use shared::{config::read_pem, time};
use tandem_server::{metrics::Metrics, telemetry::Spans};
use tandem_verifier::{FetchTrace, JwksClient, JwksConfig};

use crate::config::IssuerConfig;

/// A client that has not fetched yet.
pub(crate) fn client(config: &IssuerConfig, metrics: &Metrics) -> JwksClient {
    let fetches = ("tandem_task_key_set_fetches_total", "Fetches of the issuer's key set.");
    let [succeeded, failed] = metrics.counters(fetches, "result", ["succeeded", "failed"]);
    let fetched_at = metrics.gauge((
        "tandem_task_key_set_fetched_timestamp_seconds",
        "Time of the last successful fetch, in seconds since 1970; 0 before the first.",
    ));
    let client = JwksClient::new(JwksConfig {
        url: config.url.clone(),
        refresh_interval: config.refresh_interval,
        unknown_kid_interval: config.unknown_kid_interval,
        max_age: config.max_age,
        timeout: config.timeout,
    });
    let client = client
        .with_trace(|url| {
            let (span, headers) = Spans::current().http_get(url);
            FetchTrace { span, headers }
        })
        .on_fetch(move |success| {
            if success {
                succeeded.inc();
                fetched_at.set(time::now().timestamp());
            } else {
                failed.inc();
            }
        });
    let keys = client.keys();
    metrics.sample(
        ("tandem_task_key_set_keys", "Keys of the issuer that verify tokens now."),
        move || keys.load().as_ref().map_or(0, |keys| keys.count()),
    );
    match config.client_files() {
        Some([cert, key]) => {
            client.with_client_identity(move || Ok([read_pem(&cert)?, read_pem(&key)?].concat()))
        }
        None => client,
    }
}
