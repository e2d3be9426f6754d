//! A collector of traces: a stand-in for whatever takes OTLP over gRPC.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
};
use tokio::{net::TcpListener, task::AbortHandle};
use tonic::Status;

/// Takes whatever comes.
pub struct TestCollector {
    url: String,
    messages: Messages,
    server: AbortHandle,
}

type Messages = Arc<Mutex<Vec<Bytes>>>;

impl TestCollector {
    /// One that was sent nothing yet.
    pub async fn start() -> Self {
        let messages = Messages::default();
        let router = Router::new().fallback(take).with_state(messages.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, messages, server: server.abort_handle() }
    }

    /// Where traces can be sent.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether it was sent this, in whatever place.
    #[must_use]
    pub fn has(&self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let messages = self.messages.lock().expect("nobody panics while holding it");
        messages.iter().any(|message| message.windows(bytes.len()).any(|part| part == bytes))
    }
}

impl Drop for TestCollector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(messages): State<Messages>, message: Bytes) -> axum::http::Response<Body> {
    messages.lock().expect("nobody panics while holding it").push(message);
    Status::ok("").into_http()
}
