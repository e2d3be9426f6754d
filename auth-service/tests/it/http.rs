//! REST, Connect and gRPC-Web: the same calls as over gRPC.

mod abuse;
mod bad_requests;
mod every_rpc;
mod observed;
mod pages;
mod streams;

use proto::auth::v1::FILE_DESCRIPTOR_SET;
use test_support::Wire;

use crate::support::App;

/// A client of the service by every protocol.
fn wire(app: &App) -> Wire {
    Wire::new(app.service.url(), FILE_DESCRIPTOR_SET)
}
