//! Support for the tests of both services: a database for each test, a service in this process or
//! its real program, an issuer whose keys the test holds, a trace collector, and errors that read
//! well in an assertion.

mod authority;
mod collector;
mod core_dumps;
mod database;
mod issuer;
mod openapi;
mod ops;
mod program;
mod request;
mod service;
mod status;
mod wire;

pub use authority::TestAuthority;
pub use collector::TestCollector;
pub use core_dumps::assert_no_core_dumps;
pub use database::TestDatabase;
pub use issuer::{TestIssuer, TestKey, claims};
pub use openapi::Description;
pub use program::{Ended, Program, run};
pub use request::{bearer, with_authorization, with_token};
pub use service::{Service, eventually};
pub use status::{Refusal, refusal};
pub use wire::{Fault, Via, Wire};
