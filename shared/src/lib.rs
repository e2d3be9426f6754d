//! What both services share below the server: settings, database set-up, errors and small types.
//!
//! In reading order:
//! - [`config`]: settings from flags and environment variables
//! - [`db`]: the connection pools, the migrations and the readiness probe
//! - [`error`]: the error type of both services and its mapping to a gRPC status
//! - [`auth`]: the verifier, re-exported
//! - [`etag`], [`ids`], [`page`], [`time`]: small types

pub mod config;
pub mod db;
pub mod error;
pub mod etag;
pub mod ids;
pub mod page;
pub mod time;

pub use tandem_verifier as auth;
