//! TLS: enabled by a certificate, reloaded without a restart, required on a public address.

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

/// The TLS settings of a client that trusts this authority.
fn client_tls(authority: &TestAuthority) -> ClientTlsConfig {
    let root = Certificate::from_pem(authority.root());
    ClientTlsConfig::new().ca_certificate(root).domain_name("localhost")
}

/// A client with a new connection.
fn client(app: &App, tls: ClientTlsConfig) -> AuthServiceClient<Channel> {
    let url = format!("https://{}", app.service.address());
    let endpoint = Endpoint::from_shared(url).expect("an address is a URL").tls_config(tls);
    AuthServiceClient::new(endpoint.expect("the test's TLS is valid").connect_lazy())
}

async fn answers(mut client: AuthServiceClient<Channel>) -> bool {
    client.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.is_ok()
}

/// A service with a certificate of this authority, in this directory.
async fn start(authority: &TestAuthority, dir: &TempDir, flags: &[&str]) -> App {
    let (cert, key) = authority.write(dir.path());
    let tls = ["--server-tls-cert-file", &cert, "--server-tls-key-file", &key];
    let app = App::launch(&database().await, &[&tls, flags].concat()).await;
    eventually("the keys are loaded", async || {
        answers(client(&app, client_tls(authority))).await || !flags.is_empty()
    })
    .await;
    app
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_can_connect_and_others_cannot() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&authority, &dir, &[]).await;
    assert!(!answers(client(&app, client_tls(&TestAuthority::new()))).await);
    assert!(!answers(app.client()).await, "plain text");
    assert!(answers(client(&app, client_tls(&authority))).await);
}

#[tokio::test]
async fn a_new_certificate_is_loaded_without_a_restart_and_an_invalid_one_is_not() {
    let (old, new, dir) = (TestAuthority::new(), TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&old, &dir, &[]).await;
    let mut lasting = client(&app, client_tls(&old));
    lasting.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.unwrap();
    fs::write(dir.path().join("cert.pem"), "no certificate").unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(answers(client(&app, client_tls(&old))).await);
    new.write(dir.path());
    eventually("the new certificate is used", async || {
        answers(client(&app, client_tls(&new))).await
    })
    .await;
    assert!(!answers(client(&app, client_tls(&old))).await);
    lasting.get_json_web_key_set(pb::GetJsonWebKeySetRequest {}).await.unwrap();
}

#[tokio::test]
async fn with_a_client_authority_every_client_needs_its_certificate() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let root = dir.path().join("root.pem");
    fs::write(&root, authority.root()).unwrap();
    let flags = ["--server-tls-client-ca-file", root.to_str().unwrap()];
    let app = start(&authority, &dir, &flags).await;
    let identified = |issuer: &TestAuthority| {
        let (cert, key) = issuer.issue();
        client_tls(&authority).identity(Identity::from_pem(cert, key))
    };
    eventually("the keys are loaded", async || answers(client(&app, identified(&authority))).await)
        .await;
    assert!(!answers(client(&app, identified(&TestAuthority::new()))).await);
    assert!(!answers(client(&app, client_tls(&authority))).await);
}

#[tokio::test]
async fn a_handshake_without_progress_is_cut_off() {
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

/// The errors that `serve` reports for these settings before it listens.
async fn setting_errors(tls: &[(&str, &str)]) -> String {
    let database = database().await;
    let variables = [&settings(&database), tls].concat();
    let ended = run(&["serve"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(!ended.stderr.contains("listens"), "{ended:?}");
    ended.stderr
}

const CERT: &str = "SERVER_TLS_CERT_FILE";
const KEY: &str = "SERVER_TLS_KEY_FILE";
const CLIENT_CA: &str = "SERVER_TLS_CLIENT_CA_FILE";

#[tokio::test]
async fn invalid_files_are_named() {
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
        ([&cert, other, &cert], vec![(CERT, "do not match")]),
        ([pipe, link, "/dev/zero"], [CERT, KEY, CLIENT_CA].map(|name| (name, "regular")).to_vec()),
        ([&cert, &key, dir.path().to_str().unwrap()], vec![(CLIENT_CA, "regular file")]),
    ] {
        let errors =
            setting_errors(&[(CERT, files[0]), (KEY, files[1]), (CLIENT_CA, files[2])]).await;
        for (variable, rule) in expected {
            let mut lines = errors.lines().filter(|line| line.trim().starts_with(variable));
            assert!(lines.any(|line| line.contains(rule)), "{variable}: {rule}: {errors}");
        }
    }
}

#[tokio::test]
async fn an_expired_certificate_is_rejected_and_never_loaded() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let app = start(&authority, &dir, &[]).await;
    let (cert, key) = authority.issue_until(2020);
    let [cert_file, key_file] = ["cert.pem", "key.pem"].map(|name| dir.path().join(name));
    fs::write(&cert_file, cert).unwrap();
    fs::write(&key_file, key).unwrap();
    let [cert_file, key_file] = [&cert_file, &key_file].map(|path| path.to_str().unwrap());
    let errors = setting_errors(&[(CERT, cert_file), (KEY, key_file)]).await;
    assert!(errors.contains("cert.pem: expired on Jan  1"), "{errors}");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(answers(client(&app, client_tls(&authority))).await, "the old certificate is used");
}

#[tokio::test]
async fn missing_tls_settings_are_named() {
    let (authority, dir) = (TestAuthority::new(), TempDir::new().unwrap());
    let (cert, key) = authority.write(dir.path());
    let without_key = setting_errors(&[(CERT, &cert)]).await;
    assert!(without_key.contains(&format!("  {KEY}")), "{without_key}");
    let without_cert = setting_errors(&[(KEY, &key), (CLIENT_CA, &cert)]).await;
    assert!(without_cert.contains(&format!("  {CERT}")), "{without_cert}");
    let client_ca_alone = setting_errors(&[(CLIENT_CA, &cert)]).await;
    assert!(client_ca_alone.contains(&format!("  {CERT}")), "{client_ca_alone}");
    let plain_text = setting_errors(&[("AUTH_LISTEN_ADDRESS", "0.0.0.0:0")]).await;
    for part in [CERT, "SERVER_ALLOW_PLAINTEXT", "0.0.0.0:0"] {
        assert!(plain_text.contains(part), "{plain_text}");
    }
}

#[tokio::test]
async fn key_commands_do_not_need_the_certificate_files() {
    let database = database().await;
    let variables = [settings(&database), vec![(CERT, "/no/such")]].concat();
    let ended = run(&["keys", "list"], &variables).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_pipe_in_place_of_a_key_file_does_not_block_the_service() {
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
    eventually("the new certificate is used", async || {
        answers(client(&app, client_tls(&new))).await
    })
    .await;
    app.stop().await.unwrap();
}
