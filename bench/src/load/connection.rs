//! A connection with either protocol.

use bytes::Bytes;

use super::{Call, Protocol, Target, grpc, http1};

/// A clone is the same connection.
#[derive(Clone)]
pub(super) enum Connection {
    Grpc(grpc::Connection),
    Http1(http1::Connection),
}

impl Connection {
    pub(super) async fn open(target: Target) -> anyhow::Result<Self> {
        Ok(match target.protocol {
            Protocol::Grpc => Self::Grpc(grpc::Connection::open(target.address).await?),
            Protocol::Http1 => Self::Http1(http1::Connection::open(target.address).await?),
        })
    }

    /// The message of a successful response.
    pub(super) async fn call(&self, call: Call) -> anyhow::Result<Bytes> {
        match self {
            Self::Grpc(connection) => connection.call(call).await,
            Self::Http1(connection) => connection.call(call).await,
        }
    }
}
