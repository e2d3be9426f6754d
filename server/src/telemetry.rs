//! The log, one line per event, on standard error, as text or JSON; and the traces, if configured.

use std::{
    io::{self, BufWriter, IsTerminal as _},
    sync::OnceLock,
};

use shared::config::{LogFormat, TelemetryConfig};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub(crate) mod trace;

pub use trace::Spans;

/// The most buffered lines. At the limit, new lines are dropped: a stalled reader of the log does
/// not stall the service.
const MAX_BUFFERED_LINES: usize = 8192;

const NO_CERTIFICATES: &str = "rustls_platform_verifier=off";

static DROPPED_LINES: OnceLock<ErrorCounter> = OnceLock::new();

/// Flushes the log and the traces when it is dropped.
#[derive(Debug)]
pub struct Telemetry {
    _traces: trace::Exporter,
    _log: WorkerGuard,
}

/// Starts the log and the traces of this process. Only the first call has an effect.
#[must_use = "dropping it ends the log and the traces"]
pub fn init(config: &TelemetryConfig, program: &'static str) -> Telemetry {
    let (writer, log) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_BUFFERED_LINES)
        .thread_name("log")
        .finish(BufWriter::new(io::stderr()));
    let _ = DROPPED_LINES.set(writer.error_counter());
    let lines =
        tracing_subscriber::fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(writer);
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let filter = EnvFilter::new(&config.log_filter);
    // Traces have spans of their own, which the log does not show.
    let filter = filter.add_directive(trace::log_directive());
    // It repeats, as an error, what the failed connection reports once.
    let filter = filter.add_directive(NO_CERTIFICATES.parse().expect("it is a directive"));
    let (traces, exporter) = trace::layer(config, program);
    let _ = match traces {
        // One global filter costs least. With a filter per layer, a crate that checks whether an
        // event is enabled and does not emit it, as sqlx does, makes the next line vanish.
        None => tracing_subscriber::registry().with(lines).with(filter).try_init(),
        // Here sqlx does emit its events: the trace includes statements.
        Some(traces) => {
            tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init()
        }
    };
    Telemetry { _traces: exporter, _log: log }
}

/// The log lines dropped by this process because standard error was read too slowly.
pub(crate) fn dropped_lines() -> usize {
    DROPPED_LINES.get().map_or(0, ErrorCounter::dropped_lines)
}
