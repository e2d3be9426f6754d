//! What an operator sees and relies on: health, metrics, logs, traces, reflection and purges.

mod core_dumps;
mod health;
mod log;
mod operations_port;
mod purge;
mod reflection;
mod refold;
mod trace;
