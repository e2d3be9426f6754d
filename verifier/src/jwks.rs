//! The issuer's key set: fetched by URL, refreshed in the background, and fetched once more when a
//! token names an unknown key.

use std::{error::Error as StdError, fmt::Write as _, sync::Arc, time::Duration};

use chrono::Utc;
use http::{HeaderMap, StatusCode};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use tracing::{Instrument as _, Span};
use url::Url;

use crate::{Caller, Error, KeySet, Keys, Verifier};

/// The largest key set that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// The pause after a fetch that failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

type BoxError = Box<dyn StdError + Send + Sync>;

/// Where the key set is and how fresh it is kept.
#[derive(Clone, Debug)]
pub struct JwksConfig {
    /// The URL of the issuer's JSON Web Key Set.
    pub url: Url,
    /// The interval between refreshes, with a jitter of ±10 %.
    pub refresh_interval: Duration,
    /// The shortest interval between fetches that tokens of unknown keys cause.
    pub unknown_kid_interval: Duration,
    /// How long the last key set is trusted while no other can be fetched.
    pub max_age: Duration,
    /// The longest duration of a fetch.
    pub timeout: Duration,
}

impl JwksConfig {
    /// The key set at `url`, refreshed every 5 minutes, at most once in 10 seconds for unknown
    /// keys, trusted for 24 hours, fetched within 2 seconds.
    #[must_use]
    pub fn new(url: Url) -> Self {
        Self {
            url,
            refresh_interval: Duration::from_mins(5),
            unknown_kid_interval: Duration::from_secs(10),
            max_age: Duration::from_hours(24),
            timeout: Duration::from_secs(2),
        }
    }
}

/// The trace of a fetch: its span, and headers that propagate it, such as `traceparent`.
#[derive(Debug)]
pub struct FetchTrace {
    /// The span in which the fetch runs.
    pub span: Span,
    /// The headers that the request carries.
    pub headers: HeaderMap,
}

/// Keeps the issuer's key set. A fetched set is used until a newer one arrives or it is older than
/// [`JwksConfig::max_age`].
///
/// Redirects are not followed and no proxy is used: the operator named the URL.
pub struct JwksClient {
    config: JwksConfig,
    client: reqwest::Client,
    keys: Arc<Keys>,
    hooks: Hooks,
    /// Held during a fetch, so that there is at most one at a time.
    last_fetch: Mutex<LastFetch>,
}

#[derive(Default)]
struct LastFetch {
    attempted: Option<Instant>,
    succeeded: Option<Instant>,
    failing: bool,
}

type ReadPem = dyn Fn() -> Result<Vec<u8>, BoxError> + Send + Sync;
type Trace = dyn Fn(&Url) -> FetchTrace + Send + Sync;
type Observe = dyn Fn(bool) + Send + Sync;

#[derive(Default)]
struct Hooks {
    client_identity: Option<Box<ReadPem>>,
    trace: Option<Box<Trace>>,
    on_fetch: Option<Box<Observe>>,
}

impl JwksClient {
    /// A client that has not fetched yet: [`refresh`](Self::refresh) does.
    #[must_use]
    pub fn new(config: JwksConfig) -> Self {
        let client = builder(&config).build().expect("the TLS provider and its roots are there");
        Self {
            config,
            client,
            keys: Arc::default(),
            hooks: Hooks::default(),
            last_fetch: Mutex::default(),
        }
    }

    /// Presents a client certificate: `read_pem` returns the certificate and its key, in PEM. It is
    /// called at each fetch, so that renewed files are used.
    #[must_use]
    pub fn with_client_identity(
        mut self,
        read_pem: impl Fn() -> Result<Vec<u8>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.client_identity = Some(Box::new(read_pem));
        self
    }

    /// Traces each fetch. `trace` is called in the context of the call that causes the fetch.
    #[must_use]
    pub fn with_trace(
        mut self,
        trace: impl Fn(&Url) -> FetchTrace + Send + Sync + 'static,
    ) -> Self {
        self.hooks.trace = Some(Box::new(trace));
        self
    }

    /// Calls `observe` after each fetch with whether it succeeded, for metrics.
    #[must_use]
    pub fn on_fetch(mut self, observe: impl Fn(bool) + Send + Sync + 'static) -> Self {
        self.hooks.on_fetch = Some(Box::new(observe));
        self
    }

    /// The keys, for a [`Verifier`]. They follow every fetch.
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.clone()
    }

    /// Refreshes the key set at its interval, until the future is dropped.
    pub async fn refresh_forever(&self) {
        loop {
            let interval = jitter(self.config.refresh_interval);
            let failing = self.last_fetch.lock().await.failing;
            sleep(if failing { RETRY_INTERVAL.min(interval) } else { interval }).await;
            self.refresh().await;
        }
    }

    /// Fetches the key set. If that fails, the log says why and the last set stays.
    pub async fn refresh(&self) {
        let trace = self.trace();
        let mut last = self.last_fetch.lock().await;
        self.fetch(&mut last, trace).await;
    }

    /// Authenticates the call with these headers. If its token names an unknown key, the key set
    /// is fetched first.
    ///
    /// # Errors
    /// The token's fault; [`Error::KeysUnavailable`] if its key is unknown and the fetch fails,
    /// since the token may be valid.
    pub async fn authenticate(
        self: &Arc<Self>,
        verifier: &Verifier,
        headers: &HeaderMap,
    ) -> Result<Caller, Error> {
        #[expect(clippy::disallowed_methods, reason = "tokens count seconds, not microseconds")]
        let authenticate = || verifier.authenticate(headers, Utc::now());
        let verdict = authenticate();
        if verdict.is_ok() || !verifier.is_key_unknown(headers) {
            return verdict;
        }
        if !self.clone().fetch_unknown().await && verifier.is_key_unknown(headers) {
            return Err(Error::KeysUnavailable);
        }
        authenticate()
    }

    /// Fetches the key set because a token names an unknown key, and returns whether the last fetch
    /// succeeded. A flood of such tokens causes one fetch in each interval, and all wait for it.
    ///
    /// The fetch continues if its call is cancelled: otherwise that call could use up the interval
    /// of all others.
    async fn fetch_unknown(self: Arc<Self>) -> bool {
        let (arrived, trace, span) = (Instant::now(), self.trace(), Span::current());
        let fetch = async move {
            let mut last = self.last_fetch.lock().await;
            let is_due = last.attempted.is_none_or(|attempted| {
                attempted < arrived && attempted.elapsed() >= self.config.unknown_kid_interval
            });
            if is_due {
                self.fetch(&mut last, trace).await;
            }
            !last.failing
        };
        // Joining fails only if the runtime ends.
        tokio::spawn(fetch.instrument(span)).await.unwrap_or(false)
    }

    fn trace(&self) -> FetchTrace {
        let none = || FetchTrace { span: Span::none(), headers: HeaderMap::new() };
        self.hooks.trace.as_ref().map_or_else(none, |trace| trace(&self.config.url))
    }

    async fn fetch(&self, last: &mut LastFetch, trace: FetchTrace) {
        last.attempted = Some(Instant::now());
        let fetched = self.download(trace.headers).instrument(trace.span).await;
        if let Some(observe) = &self.hooks.on_fetch {
            observe(fetched.is_ok());
        }
        match fetched {
            Ok(keys) => {
                self.keys.set(keys);
                last.succeeded = last.attempted;
                last.failing = false;
            }
            Err(error) => {
                if !last.failing {
                    let cause = causes(&*error);
                    tracing::warn!(url = %self.config.url, cause, "cannot fetch the key set");
                }
                last.failing = true;
                let is_too_old = |at: Instant| at.elapsed() > self.config.max_age;
                if last.succeeded.is_some_and(is_too_old) {
                    tracing::error!("key set too old, discarding it");
                    self.keys.clear();
                }
            }
        }
    }

    async fn download(&self, headers: HeaderMap) -> Result<KeySet, BoxError> {
        let client = match &self.hooks.client_identity {
            Some(read_pem) => {
                let identity = reqwest::Identity::from_pem(&read_pem()?)?;
                builder(&self.config).identity(identity).build()?
            }
            None => self.client.clone(),
        };
        let mut response = client.get(self.config.url.clone()).headers(headers).send().await?;
        let status = response.status();
        if status != StatusCode::OK {
            let hint =
                if status.is_server_error() { "" } else { ": is it the URL of the key set?" };
            return Err(format!("the issuer answers {status}{hint}").into());
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

/// `interval` with a jitter of ±10 %, so that replicas that start together do not act together.
#[must_use]
pub fn jitter(interval: Duration) -> Duration {
    interval.mul_f64(0.9 + 0.2 * fastrand::f64())
}

fn builder(config: &JwksConfig) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder().timeout(config.timeout);
    builder.redirect(reqwest::redirect::Policy::none()).no_proxy()
}

/// The error and everything behind it, outermost first.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors repeat what lies behind them.
        if !text.ends_with(&next) {
            let _ = write!(text, ": {next}");
        }
        cause = error.source();
    }
    text
}
