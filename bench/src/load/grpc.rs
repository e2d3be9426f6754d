//! gRPC over one HTTP/2 connection, on h2 alone: the clients share their cores with the systems
//! under test, and a full gRPC client would take more of them.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode, Uri, header,
    uri::{Authority, Scheme},
};
use prost::Message;
use tokio::{net::TcpStream, task::spawn_local};

use super::Call;

/// Large enough that flow control never delays a response.
const WINDOW: u32 = 1 << 30;
/// The compression flag and the length before each message.
const PREFIX_BYTES: usize = 5;
const GRPC_STATUS: &str = "grpc-status";

/// A clone is the same connection.
#[derive(Clone)]
pub(super) struct Connection {
    requests: SendRequest<Bytes>,
    authority: Authority,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .handshake(stream)
            .await?;
        // Calls report the errors of their connection.
        spawn_local(async move { drop(connection.await) });
        Ok(Self { requests, authority: address.to_string().parse()? })
    }

    /// The message of a successful response.
    pub(super) async fn call(&self, call: Call) -> anyhow::Result<Bytes> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(call.path)
            .build()?;
        let mut request = Request::builder()
            .method(call.method)
            .uri(uri)
            .header(header::TE, HeaderValue::from_static("trailers"))
            .header(header::CONTENT_TYPE, HeaderValue::from_static(call.content_type))
            .body(())?;
        if let Some(authorization) = call.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let mut requests = self.requests.clone().ready().await?;
        let (response, mut body) = requests.send_request(request, false)?;
        body.send_data(call.body, true)?;
        let response = response.await?;
        ensure!(response.status() == StatusCode::OK, "HTTP status {}", response.status());
        if response.headers().contains_key(GRPC_STATUS) {
            check_status(response.headers())?;
        }
        let mut stream = response.into_body();
        let mut message = Bytes::new();
        while let Some(chunk) = stream.data().await {
            let chunk = chunk?;
            stream.flow_control().release_capacity(chunk.len())?;
            message = if message.is_empty() { chunk } else { joined(&message, &chunk) };
        }
        check_status(&stream.trailers().await?.context("the response has no trailers")?)?;
        ensure!(message.len() >= PREFIX_BYTES, "the response has no message");
        message.advance(PREFIX_BYTES);
        Ok(message)
    }
}

fn check_status(headers: &HeaderMap) -> anyhow::Result<()> {
    let value = |name| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    if value(GRPC_STATUS) == b"0" {
        return Ok(());
    }
    let [code, message] =
        [GRPC_STATUS, "grpc-message"].map(|name| String::from_utf8_lossy(value(name)));
    bail!("gRPC status {code}: {}", message.replace("%20", " "))
}

fn joined(one: &Bytes, other: &Bytes) -> Bytes {
    [&one[..], &other[..]].concat().into()
}

/// A message with the prefix that gRPC requires.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX_BYTES + length);
    frame.put_u8(0);
    frame.put_u32(length.try_into().expect("a request is small"));
    message.encode(&mut frame).expect("a buffer grows");
    frame.freeze()
}
