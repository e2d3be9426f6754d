//! The tests of task-service: the real server on a real socket, a database for each test.

mod get;
mod support;
