//! The address and the user agent of a session, by the headers that real proxies and clients send.

use proto::auth::v1 as pb;
use reqwest::header::HeaderValue;
use tonic::Request;

use crate::support::{App, Login, PASSWORD, credentials};

impl App {
    /// Logs in with this header and returns the session.
    async fn session_with(&self, name: &'static str, value: &[u8]) -> pb::Session {
        let mut request = Request::new(credentials("ada", PASSWORD));
        let value = HeaderValue::from_bytes(value).expect("a header can have this value");
        request.metadata_mut().as_mut().insert(name, value);
        let answer = self.client().login(request).await.expect("the login succeeds");
        let tokens = answer.into_inner().tokens().expect("tokens are returned");
        let login = Login { client: self.client(), tokens };
        let mut sessions = login.sessions().await.expect("the token is valid").into_iter();
        sessions.find(|session| session.is_current).expect("the session is listed")
    }
}

#[tokio::test]
async fn the_address_is_that_which_the_proxy_adds() {
    let app = App::with(&["--trusted-proxies", "127.0.0.0/8"]).await;
    app.register("ada").await;
    for (name, value, address) in [
        ("x-forwarded-for", &b"6.6.6.6, 192.0.2.1,"[..], "192.0.2.1"),
        ("x-forwarded-for", b"6.6.6.6, \xe9, 192.0.2.1", "192.0.2.1"),
        ("x-forwarded-for", b"6.6.6.6, \xe9", "127.0.0.1"),
        ("x-forwarded-for", b"fe80::1%eth0", "fe80::1"),
        ("forwarded", b"for=6.6.6.6, for=\"[2001:db8::1]:4711\";proto=https", "2001:db8::1"),
    ] {
        let session = app.session_with(name, value).await;
        assert_eq!(session.ip_address, address, "{name}: {}", String::from_utf8_lossy(value));
    }
}

#[tokio::test]
async fn the_printable_rest_of_a_user_agent_is_kept() {
    let app = App::start().await;
    app.register("ada").await;
    let session = app.session_with("user-agent", "Aufgaben für Müller/1.0".as_bytes()).await;
    assert!(session.user_agent.starts_with("Aufgaben fr Mller/1.0"), "{}", session.user_agent);
}
