//! The OpenAPI description and the page for people.

use reqwest::Method;
use test_support::Description;

use super::wire;
use crate::support::App;

#[tokio::test]
async fn every_operation_answers_as_it_is_described() {
    let app = App::start().await;
    let (wire, token) = wire(&app);
    let description = Description::fetch(&wire).await;
    assert_eq!(description.drive(&wire, &token).await, wire.methods().len());
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let app = App::start().await;
    let (wire, _) = wire(&app);
    for path in ["/docs", "/docs/page.js", "/docs/page.css"] {
        let response = wire.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = response.text().await.unwrap();
        for word in ["http://", "https://", "innerHTML", "style=", "onclick="] {
            assert!(!text.contains(word), "{path} has {word}");
        }
    }
}

#[tokio::test]
async fn the_page_is_served_on_a_loopback_address_or_if_it_is_wanted() {
    for (flags, expected) in [
        (&["--server-docs", "false"][..], [404, 200]),
        (&["--server-http-json", "false"], [404, 404]),
        (&["--listen-address", "0.0.0.0:1", "--server-allow-plaintext", "true"], [404, 200]),
        (
            &[
                "--listen-address",
                "0.0.0.0:1",
                "--server-allow-plaintext",
                "true",
                "--server-docs",
                "true",
            ],
            [200, 200],
        ),
    ] {
        let app = App::start_with(flags).await;
        let (wire, _) = wire(&app);
        for (path, status) in ["/docs", "/openapi.json"].into_iter().zip(expected) {
            let response = wire.request(Method::GET, path).send().await.unwrap();
            assert_eq!(response.status(), status, "{path} with {flags:?}");
        }
    }
}
