//! REST, Connect and gRPC-Web: the same calls as over gRPC.

mod bad_requests;
mod every_rpc;
mod json;
mod limits;
mod pages;
mod rest;

use proto::task::v1::FILE_DESCRIPTOR_SET;
use shared::ids::UserId;
use test_support::Wire;

use crate::support::App;

/// A client of the service by every protocol, and a new user's token.
fn wire(app: &App) -> (Wire, String) {
    let token = app.key.token(UserId::generate());
    (Wire::new(app.service.url(), FILE_DESCRIPTOR_SET), token)
}
