//! The published keys: GetJsonWebKeySet and `/.well-known/jwks.json`.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Client, Response, Version, header::HeaderMap};
use serde_json::{Value, json};

use crate::support::{App, database};

/// GET `/.well-known/jwks.json` over HTTP/1.1 or HTTP/2.
async fn get_jwks(app: &App, version: Version) -> Response {
    let client = match version {
        Version::HTTP_2 => Client::builder().http2_prior_knowledge(),
        _ => Client::builder().http1_only(),
    };
    let client = client.no_proxy().build().expect("the client is valid");
    let url = format!("{}/.well-known/jwks.json", app.service.url());
    let response = client.get(url).send().await.expect("the service answers");
    assert_eq!((response.version(), response.status().as_u16()), (version, 200));
    response
}

#[tokio::test]
async fn both_http_versions_publish_the_same_keys_as_the_rpc() {
    let app = App::start().await;
    let key = app.key().await;
    let expected = json!({ "keys": [{
        "kty": key.kty, "crv": key.crv, "x": key.x, "y": key.y,
        "kid": key.kid, "use": key.r#use, "alg": key.alg,
    }] });
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let set: Value = get_jwks(&app, version).await.json().await.unwrap();
        assert_eq!(set, expected, "{version:?}");
    }
}

#[tokio::test]
async fn a_published_key_is_a_public_p256_signing_key_whose_id_is_its_thumbprint() {
    let app = App::start().await;
    let key = app.key().await;
    assert_eq!([key.kty, key.crv, key.r#use, key.alg], ["EC", "P-256", "sig", "ES256"]);
    for coordinate in [&key.x, &key.y] {
        assert_eq!(URL_SAFE_NO_PAD.decode(coordinate).unwrap().len(), 32);
    }
    // RFC 7638, section 3.
    let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, key.x, key.y);
    assert_eq!(key.kid, URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes())));
}

#[tokio::test]
async fn the_key_set_has_its_media_type_and_is_cacheable() {
    fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers[name].to_str().expect("the header is ASCII")
    }
    let app = App::start().await;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let response = get_jwks(&app, version).await;
        let headers = response.headers();
        assert_eq!(text(headers, "content-type"), "application/jwk-set+json", "{version:?}");
        let cache = text(headers, "cache-control");
        assert!(cache.contains("max-age=") && !cache.contains("no-"), "{version:?}: {cache}");
    }
}

#[tokio::test]
async fn keys_and_tokens_survive_a_restart() {
    let app = App::start().await;
    let (kid, token) = (app.key().await.kid, app.new_token("ada").await);
    let database = app.database.clone();
    app.stop().await.unwrap();

    let app = App::on(&database, &[]).await;
    assert_eq!(app.key().await.kid, kid);
    app.current_user(&token).await.unwrap();
}

#[tokio::test]
async fn instances_that_start_together_on_a_new_database_agree_on_one_key() {
    let database = database().await;
    let (one, two, three) =
        tokio::join!(App::on(&database, &[]), App::on(&database, &[]), App::on(&database, &[]));
    one.register("ada").await;
    for issuer in [&one, &two, &three] {
        let token = issuer.log_in("ada").await;
        for verifier in [&one, &two, &three] {
            verifier.current_user(&token).await.unwrap();
        }
    }
}

#[tokio::test]
async fn each_database_has_its_own_key() {
    let [one, two] = [App::start().await, App::start().await];
    assert_ne!(one.key().await.kid, two.key().await.kid);
}
