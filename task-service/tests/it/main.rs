//! The tests of task-service: the real server on a real socket, and a database for each test.

mod access;
mod batch;
mod coalesce;
mod cost;
mod every_field;
mod faults;
mod follow_tls;
mod http;
mod issuer;
mod issuer_away;
mod issuer_tls;
mod model;
mod operations;
mod program;
mod read;
mod support;
mod write;
