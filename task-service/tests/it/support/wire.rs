//! Calls whose messages are bytes that a test wrote.

use test_support::with_token;
use tonic::{
    Code, Response, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

/// The methods of the service.
pub(crate) const METHODS: [&str; 10] = [
    "CreateTask",
    "GetTask",
    "ListTasks",
    "UpdateTask",
    "DeleteTask",
    "UndeleteTask",
    "BatchGetTasks",
    "BatchCreateTasks",
    "BatchUpdateTasks",
    "BatchDeleteTasks",
];

/// Calls a method with these bytes as its message, and drops the answer's.
pub(crate) async fn call_with_bytes(
    channel: &Channel,
    token: &str,
    method: &str,
    message: Vec<u8>,
) -> Result<Response<()>, Status> {
    let path: PathAndQuery =
        format!("/{}/{method}", task_service::SERVICE_NAME).parse().expect("it is a path");
    let mut client = Grpc::new(channel.clone());
    client.ready().await.map_err(|error| Status::new(Code::Unknown, error.to_string()))?;
    client.unary(with_token(token, message), path, Bytes).await
}

struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        prost::bytes::Buf::advance(buffer, prost::bytes::Buf::remaining(buffer));
        Ok(Some(()))
    }
}
