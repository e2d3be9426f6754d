//! The SQL of task-service: one file per table, one statement per function.

pub(crate) mod feeds;
pub(crate) mod page_token_keys;
pub(crate) mod requests;
pub(crate) mod tasks;
