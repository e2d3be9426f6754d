//! The issuer's public keys, kept at hand: fetched by URL, refreshed in the background, and fetched
//! once more when a token names a key that is not among them.

use std::{error::Error as StdError, sync::Arc, time::Duration};

use axum::http::HeaderMap;
use reqwest::StatusCode;
use shared::{
    auth::{Caller, KeySet, Keys, Verifier},
    config::read_pem,
    error::Error,
    metrics::{IntCounter, IntGauge, Metrics},
    telemetry::Spans,
    time,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use crate::config::IssuerConfig;

/// The largest key set that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// How long to wait after a fetch that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Fetches the keys. The last set is good until a newer one comes or it is too old.
pub(crate) struct Issuer {
    config: IssuerConfig,
    client: reqwest::Client,
    keys: Arc<Keys>,
    counts: Counts,
    /// Held while fetching, so that there is one fetch at a time.
    last_fetch: Mutex<LastFetch>,
}

#[derive(Default)]
struct LastFetch {
    tried: Option<Instant>,
    succeeded: Option<Instant>,
    failing: bool,
}

/// What operators see of the fetches.
struct Counts {
    fetched: IntGauge,
    succeeded: IntCounter,
    failed: IntCounter,
}

impl Counts {
    fn new(metrics: &Metrics) -> Self {
        let fetches = ("tandem_task_key_set_fetches_total", "Fetches of the issuer's keys.");
        let [succeeded, failed] = metrics.counters(fetches, "result", ["succeeded", "failed"]);
        Self {
            fetched: metrics.gauge((
                "tandem_task_key_set_fetched_timestamp_seconds",
                "When the keys were last fetched, in seconds since 1970; 0 if they never were.",
            )),
            succeeded,
            failed,
        }
    }
}

impl Issuer {
    /// An issuer whose keys are not fetched yet.
    pub(crate) fn new(config: &IssuerConfig, metrics: &Metrics) -> Self {
        let client = client(config).build().expect("the TLS provider and its roots are there");
        let (keys, last_fetch) = (Arc::<Keys>::default(), Mutex::default());
        let known = keys.clone();
        metrics.sample(
            ("tandem_task_key_set_keys", "Keys of the issuer that verify tokens now."),
            move || known.load().as_ref().map_or(0, |keys| keys.count()),
        );
        let (config, counts) = (config.clone(), Counts::new(metrics));
        Self { config, client, keys, counts, last_fetch }
    }

    /// The keys as they are now.
    pub(crate) fn keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    /// Fetches the keys anew whenever it is time, until it is dropped.
    pub(crate) async fn refresh_forever(&self) {
        loop {
            // Replicas that start together should not fetch together for ever.
            let interval = self.config.refresh_interval.mul_f64(0.9 + 0.2 * fastrand::f64());
            let failing = self.last_fetch.lock().await.failing;
            sleep(if failing { RETRY_INTERVAL.min(interval) } else { interval }).await;
            self.refresh().await;
        }
    }

    /// Fetches the keys.
    pub(crate) async fn refresh(&self) {
        let mut last = self.last_fetch.lock().await;
        self.fetch(&mut last, &Spans::current()).await;
    }

    /// Finds out who makes the call that has these headers, before more of it is looked at. It
    /// waits for the keys if its token names one that is not known; while they cannot be fetched,
    /// such a token may be good.
    pub(crate) async fn caller(
        self: &Arc<Self>,
        verifier: &Verifier,
        headers: &HeaderMap,
    ) -> Result<Caller, Error> {
        let verdict = verifier.authenticate(headers, time::now());
        if verdict.is_ok() || !verifier.is_key_unknown(headers) {
            return verdict;
        }
        if !self.clone().fetch_unknown().await && verifier.is_key_unknown(headers) {
            return Err(Error::KeysUnavailable);
        }
        verifier.authenticate(headers, time::now())
    }

    /// Fetches the keys because a token names one that is not known. A flood of such tokens causes
    /// one fetch in each interval, and all wait for it. It goes on if the call that caused it is
    /// cancelled: otherwise such a call could use up the interval for all others. Returns whether
    /// the last fetch was a success.
    async fn fetch_unknown(self: Arc<Self>) -> bool {
        let (arrived, spans) = (Instant::now(), Spans::current());
        let fetching = tokio::spawn(async move {
            let mut last = self.last_fetch.lock().await;
            let due = last.tried.is_none_or(|tried| {
                tried < arrived && tried.elapsed() >= self.config.unknown_kid_interval
            });
            if due {
                self.fetch(&mut last, &spans).await;
            }
            !last.failing
        });
        // It is cut off only if the runtime ends.
        fetching.await.unwrap_or(false)
    }

    /// Fetches them for who has these spans.
    async fn fetch(&self, last: &mut LastFetch, spans: &Spans) {
        last.tried = Some(Instant::now());
        let (spans, headers) = spans.http_get(&self.config.url);
        match spans.instrument(self.download(headers)).await {
            Ok(keys) => {
                self.counts.succeeded.inc();
                self.counts.fetched.set(time::now().timestamp());
                self.keys.set(keys);
                last.succeeded = last.tried;
                last.failing = false;
            }
            Err(error) => {
                self.counts.failed.inc();
                if !last.failing {
                    let cause = Error::Internal(error).causes();
                    tracing::warn!(url = %self.config.url, cause, "cannot fetch the keys");
                }
                last.failing = true;
                let too_old = |at: Instant| at.elapsed() > self.config.max_age;
                if last.succeeded.is_some_and(too_old) {
                    tracing::error!("the keys are too old to be trusted");
                    self.keys.clear();
                }
            }
        }
    }

    async fn download(
        &self,
        headers: HeaderMap,
    ) -> Result<KeySet, Box<dyn StdError + Send + Sync>> {
        let url = self.config.url.clone();
        let client = match identity(&self.config)? {
            Some(identity) => client(&self.config).identity(identity).build()?,
            None => self.client.clone(),
        };
        let mut response = client.get(url).headers(headers).send().await?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            let doubt =
                if status.is_server_error() { "" } else { ": is it the URL of the key set?" };
            return Err(format!("it answers {status}{doubt}").into());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(format!("the key set is larger than {MAX_BYTES} bytes").into());
            }
        }
        Ok(KeySet::parse(&body)?)
    }
}

/// Asks at the operator's word: follows nobody else's, and no proxy on this machine's.
fn client(config: &IssuerConfig) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().timeout(config.timeout);
    builder.redirect(reqwest::redirect::Policy::none()).no_proxy()
}

/// What the issuer is shown if it asks, as it is in the files now.
fn identity(
    config: &IssuerConfig,
) -> Result<Option<reqwest::Identity>, Box<dyn StdError + Send + Sync>> {
    let IssuerConfig { client_cert_file, client_key_file, .. } = config;
    let Some((cert, key)) = client_cert_file.as_ref().zip(client_key_file.as_ref()) else {
        return Ok(None);
    };
    let pem = [read_pem(cert)?, read_pem(key)?].concat();
    Ok(Some(reqwest::Identity::from_pem(&pem)?))
}
