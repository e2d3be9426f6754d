//! The gRPC chassis of both services: everything between a socket and a handler.
//!
//! In reading order:
//! - [`program`]: what both programs do alike
//! - [`run`]: a service's life, from its listeners to the end of its drain
//! - `listener`, `workers`, `connection`, `tls`: from the socket to an HTTP request
//! - [`stack`]: the layers of a call, outermost first, each in its file under `layers`
//! - `health`, `reflection`: the common services of gRPC
//! - `response_stream`, `fair`: bounds on what waits for a client
//! - [`readiness`], [`ops`], [`metrics`], [`telemetry`]: what operators see

mod connection;
mod fair;
mod health;
mod layers;
mod listener;
pub mod metrics;
pub mod ops;
pub mod program;
pub mod readiness;
mod reflection;
mod response_stream;
mod run;
pub mod stack;
pub mod telemetry;
mod tls;
mod workers;

pub use health::HealthService;
pub use listener::{Listeners, listen_all, reachable};
pub use readiness::is_ready;
pub use run::{run, shutdown_on_signal};
pub use tls::mistakes as tls_mistakes;
