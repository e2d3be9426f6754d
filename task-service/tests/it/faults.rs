//! Faults of the database, of clients and of processes.

mod cancellation;
mod database_away;
mod database_errors;
mod database_unresponsive;
mod heavy_searches;
mod history_under_faults;
mod malformed_messages;
