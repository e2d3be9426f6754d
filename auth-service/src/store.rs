//! The SQL of auth-service: one file per table, one statement per function.

pub(crate) mod events;
mod locks;
pub(crate) mod purged_users;
pub(crate) mod sessions;
pub(crate) mod signing_keys;
pub(crate) mod users;
