//! The log, one line an event, on standard error, as text or JSON; and, where they are asked for,
//! the traces.

use std::{
    io::{self, BufWriter, IsTerminal as _},
    sync::OnceLock,
};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{LogFormat, TelemetryConfig};

pub(crate) mod trace;

pub use trace::Spans;

/// How many lines may wait for who reads the log. One that stops reading stops nothing else: what
/// comes then is left out.
const MAX_WAITING_LINES: usize = 8192;

const NO_CERTIFICATES: &str = "rustls_platform_verifier=off";

/// Counts the lines that were left out.
static LEFT_OUT: OnceLock<ErrorCounter> = OnceLock::new();

/// Writes what is left of the log, and sends what is left of the traces, when it is dropped.
#[derive(Debug)]
pub struct Telemetry {
    _traces: trace::Exporter,
    _log: WorkerGuard,
}

/// Starts the log of this process, and the traces of what `program` does, which go on until what is
/// returned is dropped. The first call decides; later ones change nothing.
#[must_use = "the traces end when it is dropped"]
pub fn init(config: &TelemetryConfig, program: &'static str) -> Telemetry {
    let (writer, log) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_WAITING_LINES)
        .thread_name("log")
        .finish(BufWriter::new(io::stderr()));
    let _ = LEFT_OUT.set(writer.error_counter());
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(writer);
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let filter = EnvFilter::new(&config.log_filter);
    // A trace has spans of its own, which would be in the way of who reads the log.
    let filter = filter.add_directive(trace::not_in_the_log());
    // It repeats, as an error, what whoever connects in vain says once.
    let filter = filter.add_directive(NO_CERTIFICATES.parse().expect("it is a directive"));
    let (traces, exporter) = trace::exported(config, program);
    let _ = match traces {
        // One filter for all costs least. And with filters for each layer, a crate that asks
        // whether it may log and then does not, as sqlx does, makes the next line vanish.
        None => tracing_subscriber::registry().with(lines).with(filter).try_init(),
        // Here it does log: its statements are wanted.
        Some(traces) => {
            tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init()
        }
    };
    Telemetry { _traces: exporter, _log: log }
}

/// How many lines the log of this process leaves out, since nobody reads it quickly enough.
pub(crate) fn left_out() -> usize {
    LEFT_OUT.get().map_or(0, ErrorCounter::dropped_lines)
}
