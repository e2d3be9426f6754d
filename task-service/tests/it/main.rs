//! The tests of task-service: the real server on a real socket, a database for each test.

mod cancellation;
mod create;
mod database_away;
mod delete;
mod errors;
mod get;
mod health;
mod issuer;
mod issuer_away;
mod list;
mod ownership;
mod page_bytes;
mod page_token;
mod page_walk;
mod program;
mod query_plan;
mod reflection;
mod support;
mod token;
mod update;
mod update_mask;
mod update_model;
mod wire;
