//! A stand-in for an issuer of access tokens, whose keys and claims the test chooses.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use axum::{
    Router, extract,
    http::{HeaderMap, StatusCode},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared::ids::{SessionId, UserId};
use tokio::{
    net::TcpListener,
    sync::{OwnedRwLockWriteGuard, RwLock},
    task::AbortHandle,
};

/// A P-256 key pair with a key id.
pub struct TestKey {
    kid: String,
    pair: EcdsaKeyPair,
}

impl TestKey {
    /// A new key pair.
    #[must_use]
    pub fn generate(kid: &str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate(algorithm).expect("the system has randomness");
        Self { kid: kid.to_owned(), pair }
    }

    /// The public half as a JSON Web Key.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }

    /// The header of a valid token.
    #[must_use]
    pub fn header(&self) -> Value {
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid })
    }

    /// Signs any header and claims, valid or not.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes());
        let signature = signature.expect("P-256 signs anything");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A valid token.
    #[must_use]
    pub fn token(&self, user: UserId) -> String {
        self.sign(&self.header(), &claims(user))
    }
}

/// The claims of a token issued now that is valid under the services' default settings.
#[must_use]
pub fn claims(user: UserId) -> Value {
    let now = shared::time::now().timestamp();
    json!({
        "iss": "http://127.0.0.1:50051", "aud": "tandem",
        "sub": user, "sid": SessionId::generate(),
        "iat": now, "nbf": now, "exp": now + 600, "jti": uuid::Uuid::now_v7(),
    })
}

/// Publishes a key set over HTTP and counts the fetches.
pub struct TestIssuer {
    url: String,
    state: Arc<State>,
    server: AbortHandle,
}

struct State {
    answer: Mutex<(StatusCode, String)>,
    fetches: AtomicUsize,
    /// The headers of the last fetch.
    headers: Mutex<HeaderMap>,
    /// Write-locked while answers are held back.
    hold: Arc<RwLock<()>>,
}

impl TestIssuer {
    /// Publishes the public halves of these keys.
    pub async fn start(keys: &[&TestKey]) -> Self {
        let state = Arc::new(State {
            answer: Mutex::new((StatusCode::OK, key_set(keys))),
            fetches: AtomicUsize::new(0),
            headers: Mutex::default(),
            hold: Arc::default(),
        });
        let router = Router::new().route("/jwks.json", get(publish)).with_state(state.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url =
            format!("http://{}/jwks.json", listener.local_addr().expect("the listener is bound"));
        let server = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state, server: server.abort_handle() }
    }

    /// The URL of the key set.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The number of fetches.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.state.fetches.load(Ordering::SeqCst)
    }

    /// A header of the last fetch, if it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = self.state.headers.lock().expect("no thread panics while holding the lock");
        headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// Holds back answers until the guard is dropped.
    pub async fn hold(&self) -> OwnedRwLockWriteGuard<()> {
        self.state.hold.clone().write_owned().await
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[&TestKey]) {
        self.answer(StatusCode::OK, key_set(keys));
    }

    /// Answers with this from now on, valid or not.
    pub fn answer(&self, status: StatusCode, body: impl Into<String>) {
        *self.state.answer.lock().expect("no thread panics while holding the lock") =
            (status, body.into());
    }
}

impl Drop for TestIssuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn key_set(keys: &[&TestKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

async fn publish(
    extract::State(state): extract::State<Arc<State>>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    *state.headers.lock().expect("no thread panics while holding the lock") = headers;
    state.fetches.fetch_add(1, Ordering::SeqCst);
    let _answering = state.hold.read().await;
    state.answer.lock().expect("no thread panics while holding the lock").clone()
}
