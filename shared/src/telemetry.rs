//! The log, one line an event, on standard error, as text or JSON; and, where they are asked for,
//! the traces.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::{
    EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::config::{LogFormat, TelemetryConfig};

pub(crate) mod trace;

pub use trace::{Spans, Telemetry};

/// Starts the log of this process, and the traces of what `program` does, which go on until what is
/// returned is dropped. The first call decides; later ones change nothing.
#[must_use = "the traces end when it is dropped"]
pub fn init(config: &TelemetryConfig, program: &'static str) -> Telemetry {
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    let filter = EnvFilter::new(&config.log_filter);
    // A trace has spans of its own, which would be in the way of who reads the log.
    let filter = filter.add_directive(trace::not_in_the_log());
    let (traces, telemetry) = trace::exported(config, program);
    let _ = match traces {
        // One filter for all costs least. And with filters for each layer, a crate that asks
        // whether it may log and then does not, as sqlx does, makes the next line vanish.
        None => tracing_subscriber::registry().with(lines).with(filter).try_init(),
        // Here it does log: its statements are wanted.
        Some(traces) => {
            tracing_subscriber::registry().with(lines.with_filter(filter)).with(traces).try_init()
        }
    };
    telemetry
}
