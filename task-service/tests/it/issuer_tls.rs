//! An issuer that requires client certificates.

use std::{
    error::Error,
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use tempfile::TempDir;
use test_support::{TestAuthority, TestDatabase, TestKey, eventually};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use crate::support::Program;

/// Publishes a key, over TLS with both sides' certificates of this authority. Returns the URL, and
/// how many were refused.
async fn publish(
    authority: &TestAuthority,
    key: &TestKey,
) -> Result<(String, Arc<AtomicUsize>), Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.root().as_bytes())?)?;
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build()?;
    let (cert, private_key) = authority.issue();
    let cert = CertificateDer::from_pem_slice(cert.as_bytes())?;
    let private_key = PrivateKeyDer::from_pem_slice(private_key.as_bytes())?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![cert], private_key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://localhost:{}/jwks.json", listener.local_addr()?.port());
    let body = json!({ "keys": [key.jwk()] }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", body.len());
    let answer = format!("{head}\r\n\r\n{body}");
    let refused = Arc::<AtomicUsize>::default();
    let count = refused.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                count.fetch_add(1, Ordering::SeqCst);
                continue;
            };
            // The request is short: one read has it.
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    Ok((url, refused))
}

#[tokio::test]
async fn an_issuer_that_requires_a_certificate_gets_the_one_in_the_files() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let root = dir.path().join("root.pem").display().to_string();
    fs::write(&root, authority.root()).unwrap();
    // Of another authority at first.
    let (cert, private_key) = TestAuthority::new().write(dir.path());
    let key = TestKey::generate("first");
    let (url, refused) = publish(&authority, &key).await.unwrap();
    let database = TestDatabase::create().await;
    let variables = [
        ("SSL_CERT_FILE", root.as_str()),
        ("TASK_JWKS_CLIENT_CERT_FILE", &cert),
        ("TASK_JWKS_CLIENT_KEY_FILE", &private_key),
    ];
    let program = Program::new(&database, &url, &variables);
    let _running = program.start();
    eventually("it is refused", async || refused.load(Ordering::SeqCst) > 1).await;
    authority.write(dir.path());
    program.ready().await;
}
