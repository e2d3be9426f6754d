//! A stand-in for a trace collector with OTLP over gRPC.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
};
use tokio::{net::TcpListener, task::AbortHandle};
use tonic::Status;

/// Accepts and stores every message.
pub struct TestCollector {
    url: String,
    messages: Messages,
    server: AbortHandle,
}

type Messages = Arc<Mutex<Vec<Bytes>>>;

impl TestCollector {
    /// Starts a collector without messages.
    pub async fn start() -> Self {
        let messages = Messages::default();
        let router = Router::new().fallback(store).with_state(messages.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("the listener is bound"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, messages, server: server.abort_handle() }
    }

    /// The endpoint for traces.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether a message contains these bytes.
    #[must_use]
    pub fn has(&self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let messages = self.messages.lock().expect("no thread panics while holding the lock");
        messages.iter().any(|message| message.windows(bytes.len()).any(|part| part == bytes))
    }
}

impl Drop for TestCollector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn store(State(messages): State<Messages>, message: Bytes) -> axum::http::Response<Body> {
    messages.lock().expect("no thread panics while holding the lock").push(message);
    Status::ok("").into_http()
}
