//! HTTP/1.1 over one keep-alive connection, with one call in flight.

use std::{net::SocketAddr, rc::Rc};

use anyhow::ensure;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::Mutex, task::spawn_local};

use super::Call;

#[derive(Clone)]
pub(super) struct Connection {
    requests: Rc<Mutex<SendRequest<Full<Bytes>>>>,
    host: HeaderValue,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (requests, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Calls report the errors of their connection.
        spawn_local(async move { drop(connection.await) });
        let requests = Rc::new(Mutex::new(requests));
        Ok(Self { requests, host: address.to_string().try_into()? })
    }

    /// The body of a successful response.
    pub(super) async fn call(&self, call: Call) -> anyhow::Result<Bytes> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path.as_str())
            .header(header::HOST, self.host.clone())
            .header(header::CONTENT_TYPE, HeaderValue::from_static(call.content_type))
            .body(Full::new(call.body))?;
        if let Some(authorization) = call.authorization {
            request.headers_mut().insert(header::AUTHORIZATION, authorization);
        }
        let mut requests = self.requests.lock().await;
        requests.ready().await?;
        let response = requests.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "HTTP status {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}
