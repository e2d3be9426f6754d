//! What the tests of both services need: a database for each test, a service on a port of its own,
//! an issuer whose keys the test holds, a collector of traces, and errors that read well in an
//! assertion.

mod authority;
mod collector;
mod core_dumps;
mod database;
mod issuer;
mod ops;
mod service;
mod status;

pub use authority::TestAuthority;
pub use collector::TestCollector;
pub use core_dumps::assert_no_core_dumps;
pub use database::TestDatabase;
pub use issuer::{TestIssuer, TestKey, claims};
pub use service::{Service, eventually};
pub use status::{Refusal, refusal};
