//! What both services use, and nothing that only one of them does.
//!
//! In reading order:
//! - [`config`]: settings from flags and environment variables, every mistake reported at once
//! - [`telemetry`]: the log
//! - [`db`]: the connection pool and the migrations
//! - [`error`]: the one error type and its way to a gRPC status
//! - [`ids`], [`page`], [`time`]: small types that both use
//! - [`auth`]: access tokens, their verification, the caller
//! - [`readiness`]: when a service may be called, shown by the health service
//! - [`metrics`]: what a service counts and measures
//! - [`server`]: the listener, its limits and its end
//! - [`ops`]: the port for probes and metrics
//! - [`program`]: what both programs do alike

pub mod auth;
pub mod config;
pub mod db;
pub mod error;
pub mod ids;
pub mod metrics;
pub mod ops;
pub mod page;
pub mod program;
pub mod readiness;
pub mod server;
pub mod telemetry;
pub mod time;
