//! Account events over TLS, from an auth-service that requires client certificates.

use std::{
    error::Error,
    fs,
    sync::{Arc, Mutex},
};

use proto::auth::v1::{
    self as pb,
    account_event::Kind,
    account_events_service_server::{AccountEventsService, AccountEventsServiceServer},
};
use shared::ids::UserId;
use tempfile::TempDir;
use test_support::{TestAuthority, TestDatabase, TestIssuer, TestKey, eventually};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Certificate, Identity, Server, ServerTlsConfig},
};

use crate::support::Program;

const SECRET: &str = "a-secret-of-32-visible-characters";

/// Lists one event, and keeps the `authorization` of the last call.
#[derive(Default)]
struct OneEvent(Arc<Mutex<Option<String>>>);

#[tonic::async_trait]
impl AccountEventsService for OneEvent {
    async fn list_account_events(
        &self,
        request: Request<pb::ListAccountEventsRequest>,
    ) -> Result<Response<pb::ListAccountEventsResponse>, Status> {
        let entry = request.metadata().get("authorization").and_then(|entry| entry.to_str().ok());
        *self.0.lock().expect("no holder of the lock panics") = entry.map(str::to_owned);
        let event = pb::AccountEvent {
            sequence: 7,
            kind: Kind::UserPurged.into(),
            user_id: UserId::generate().to_string(),
            create_time: None,
        };
        let is_new = request.get_ref().after_sequence < 7;
        let events = is_new.then_some(event).into_iter().collect();
        Ok(Response::new(pb::ListAccountEventsResponse { events, last_sequence: 7 }))
    }
}

/// Serves it with certificates of this authority on both sides. Returns the URL.
async fn serve(authority: &TestAuthority, service: OneEvent) -> Result<String, Box<dyn Error>> {
    let (cert, key) = authority.issue();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(cert, key))
        .client_ca_root(Certificate::from_pem(authority.root()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://localhost:{}/any/path", listener.local_addr()?.port());
    let mut server = Server::builder().tls_config(tls)?;
    let server = server.add_service(AccountEventsServiceServer::new(service));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok(url)
}

#[tokio::test]
async fn events_are_followed_over_tls_with_the_certificate_in_the_files() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let root = dir.path().join("root.pem").display().to_string();
    fs::write(&root, authority.root()).unwrap();
    let service = OneEvent::default();
    let presented = service.0.clone();
    let url = serve(&authority, service).await.unwrap();
    // Of another authority at first.
    let (cert, private_key) = TestAuthority::new().write(dir.path());
    let database = TestDatabase::create().await;
    let issuer = TestIssuer::start(&[&TestKey::generate("first")]).await;
    let variables = [
        ("SSL_CERT_FILE", root.as_str()),
        ("TASK_JWKS_CLIENT_CERT_FILE", &cert),
        ("TASK_JWKS_CLIENT_KEY_FILE", &private_key),
        ("TASK_ACCOUNT_EVENTS_URL", &url),
        ("TASK_ACCOUNT_EVENTS_INTERVAL_SECONDS", "1"),
        ("ACCOUNT_EVENTS_SECRET", SECRET),
        ("RUST_LOG", "warn"),
    ];
    let program = Program::new(&database, issuer.url(), &variables);
    let running = program.start();
    running.eventually_logs("cannot follow the account events").await;
    assert_eq!(*presented.lock().unwrap(), None, "without a certificate no call arrives");

    authority.write(dir.path());
    let place = "select sequence from task.followed";
    eventually("the event is applied", async || {
        sqlx::query_scalar::<_, i64>(place).fetch_one(&database.pool().await).await.unwrap() == 7
    })
    .await;
    assert_eq!(*presented.lock().unwrap(), Some(format!("Bearer {SECRET}")));
}
