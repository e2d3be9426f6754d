//! TLS: on where there is a certificate, renewed without a restart, required where others can
//! reach.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use tempfile::TempDir;
use test_support::{TestAuthority, eventually};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::support::{App, database, run, settings};

/// Of a client that trusts this authority.
fn client_tls(authority: &TestAuthority) -> ClientTlsConfig {
    let root = Certificate::from_pem(authority.root());
    ClientTlsConfig::new().ca_certificate(root).domain_name("localhost")
}

/// A client of its own connection.
fn client(app: &App, tls: ClientTlsConfig) -> AuthServiceClient<Channel> {
    let url = format!("https://{}", app.service.address());
    let endpoint = Endpoint::from_shared(url).expect("it is a URL").tls_config(tls);
    AuthServiceClient::new(endpoint.expect("the test's TLS is good").connect_lazy())
}

async fn answers(mut client: AuthServiceClient<Channel>) -> bool {
    client.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.is_ok()
}

/// A service with a certificate of this authority, in this folder.
async fn start(authority: &TestAuthority, dir: &TempDir, flags: &[&str]) -> App {
    let (cert, key) = authority.write(dir.path());
    let tls = ["--server-tls-cert-file", &cert, "--server-tls-key-file", &key];
    let app = App::launch(&database().await, &[&tls, flags].concat()).await;
    eventually("it has its keys", async || {
        answers(client(&app, client_tls(authority))).await || !flags.is_empty()
    })
    .await;
    app
}

#[tokio::test]
async fn a_client_that_trusts_the_root_is_answered_and_others_are_not() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&authority, &dir, &[]).await;
    assert!(!answers(client(&app, client_tls(&TestAuthority::new()))).await);
    assert!(!answers(app.client()).await, "plain text");
    assert!(answers(client(&app, client_tls(&authority))).await);
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_without_a_restart_and_a_bad_one_is_not() {
    let (old, new, dir) = (TestAuthority::new(), TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&old, &dir, &[]).await;
    let mut lasting = client(&app, client_tls(&old));
    lasting.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.unwrap();
    fs::write(dir.path().join("cert.pem"), "no certificate").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(answers(client(&app, client_tls(&old))).await);
    new.write(dir.path());
    eventually("the new one is shown", async || answers(client(&app, client_tls(&new))).await)
        .await;
    assert!(!answers(client(&app, client_tls(&old))).await);
    lasting.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.unwrap();
}

#[tokio::test]
async fn with_a_client_root_every_client_needs_a_certificate_of_it() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let root = dir.path().join("root.pem");
    fs::write(&root, authority.root()).unwrap();
    let flags = ["--server-tls-client-ca-file", root.to_str().unwrap()];
    let app = start(&authority, &dir, &flags).await;
    let identified = |issuer: &TestAuthority| {
        let (cert, key) = issuer.issue();
        client_tls(&authority).identity(Identity::from_pem(cert, key))
    };
    eventually("it has its keys", async || answers(client(&app, identified(&authority))).await)
        .await;
    assert!(!answers(client(&app, identified(&TestAuthority::new()))).await);
    assert!(!answers(client(&app, client_tls(&authority))).await);
}

#[tokio::test]
async fn a_handshake_that_does_not_get_on_is_cut_off() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&authority, &dir, &["--server-handshake-timeout-seconds", "1"]).await;
    let mut stream = TcpStream::connect(app.service.address()).await.unwrap();
    // The first bytes of a handshake, and then nothing.
    tokio::io::AsyncWriteExt::write_all(&mut stream, &[22, 3, 1]).await.unwrap();
    let begun = Instant::now();
    let reading = async { while stream.read(&mut [0; 64]).await.unwrap_or(0) > 0 {} };
    timeout(Duration::from_secs(10), reading).await.expect("the connection is closed");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

/// What `serve` says of these settings, which must be mistakes, before it listens.
async fn mistakes(tls: &[(&str, &str)]) -> String {
    let database = database().await;
    let variables = [&settings(&database), tls, &[("AUTH_BCRYPT_COST", "99")]].concat();
    let ended = run(&["serve"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.stderr.contains("AUTH_BCRYPT_COST ("), "with other mistakes: {ended:?}");
    assert!(!ended.stderr.contains("listens"), "{ended:?}");
    ended.stderr
}

const CERT: &str = "SERVER_TLS_CERT_FILE";
const KEY: &str = "SERVER_TLS_KEY_FILE";
const CLIENT_CA: &str = "SERVER_TLS_CLIENT_CA_FILE";

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let dir = TempDir::new().unwrap();
    let (cert, key) = TestAuthority::new().write(dir.path());
    let (_, other_key) = TestAuthority::new().issue();
    let [other, pipe, link] = ["other.pem", "pipe", "link"].map(|name| dir.path().join(name));
    fs::write(&other, other_key).unwrap();
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    let [other, pipe, link] = [&other, &pipe, &link].map(|path| path.to_str().unwrap());
    for (files, expected) in [
        (["/no/such", other, "/nor/this"], vec![(CERT, "/no/such: cannot"), (CLIENT_CA, "/nor")]),
        ([other, other, &cert], vec![(CERT, "has no certificate")]),
        ([&cert, &cert, other], vec![(KEY, "has no private key"), (CLIENT_CA, "has no cert")]),
        ([&cert, other, &cert], vec![(CERT, "do not go together")]),
        ([pipe, link, "/dev/zero"], [CERT, KEY, CLIENT_CA].map(|name| (name, "regular")).to_vec()),
        ([&cert, &key, dir.path().to_str().unwrap()], vec![(CLIENT_CA, "regular file")]),
    ] {
        let told = mistakes(&[(CERT, files[0]), (KEY, files[1]), (CLIENT_CA, files[2])]).await;
        for (variable, rule) in expected {
            let mut lines = told.lines().filter(|line| line.trim().starts_with(variable));
            assert!(lines.any(|line| line.contains(rule)), "{variable}: {rule}: {told}");
        }
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_never_taken_over() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&authority, &dir, &[]).await;
    let (cert, key) = authority.issue_until(2020);
    let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    fs::write(&cert_file, cert).unwrap();
    fs::write(&key_file, key).unwrap();
    let [cert_file, key_file] = [&cert_file, &key_file].map(|path| path.to_str().unwrap());
    let told = mistakes(&[(CERT, cert_file), (KEY, key_file)]).await;
    assert!(told.contains("cert.pem: expired on Jan  1"), "{told}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(answers(client(&app, client_tls(&authority))).await, "the one before is shown");
}

#[tokio::test]
async fn what_is_missing_for_tls_is_named() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let (cert, key) = authority.write(dir.path());
    let without_key = mistakes(&[(CERT, &cert)]).await;
    assert!(without_key.contains(&format!("  {KEY} (")), "{without_key}");
    let without_cert = mistakes(&[(KEY, &key), (CLIENT_CA, &cert)]).await;
    assert!(without_cert.contains(&format!("  {CERT} (")), "{without_cert}");
    let client_ca_alone = mistakes(&[(CLIENT_CA, &cert)]).await;
    assert!(client_ca_alone.contains(&format!("  {CERT} (")), "{client_ca_alone}");
    let plain_text = mistakes(&[("AUTH_LISTEN_ADDRESS", "0.0.0.0:0")]).await;
    for part in [CERT, "SERVER_ALLOW_PLAINTEXT", "0.0.0.0:0"] {
        assert!(plain_text.contains(part), "{plain_text}");
    }
}

#[tokio::test]
async fn the_keys_can_be_managed_where_the_certificates_are_not() {
    let database = database().await;
    let variables = [settings(&database), vec![(CERT, "/no/such")]].concat();
    let ended = run(&["keys", "list"], &variables).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_certificate_blocks_nobody() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&authority, &dir, &[]).await;
    let key = dir.path().join("key.pem");
    fs::remove_file(&key).unwrap();
    mkfifo(&key, Mode::S_IRWXU).unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(answers(client(&app, client_tls(&authority))).await);
    fs::remove_file(&key).unwrap();
    let new = TestAuthority::new();
    new.write(dir.path());
    eventually("the new one is shown", async || answers(client(&app, client_tls(&new))).await)
        .await;
    app.stop().await.unwrap();
}
