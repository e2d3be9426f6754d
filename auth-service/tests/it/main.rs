//! The tests of auth-service: the real server on a real socket, a database for each test.

mod register;
mod support;
