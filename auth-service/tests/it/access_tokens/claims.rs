//! The header and claims of an access token (RFC 9068), and its lifetime.

use serde_json::{Value, json};
use test_support::{eventually, refusal};
use uuid::Uuid;

use crate::support::{App, PASSWORD, TokenParts, unauthenticated};

#[tokio::test]
async fn the_header_names_the_published_key() {
    let app = App::start().await;
    let TokenParts { header, .. } = TokenParts::of(&app.new_token("ada").await);
    assert_eq!(header, json!({ "alg": "ES256", "typ": "at+jwt", "kid": app.key().await.kid }));
}

#[tokio::test]
async fn the_claims_name_user_session_issuer_audience_and_lifetime() {
    let app = App::start().await;
    let user = app.register("ada").await;
    let before = shared::time::now().timestamp();
    let TokenParts { claims, .. } = TokenParts::of(&app.log_in("ada").await);
    let iat = claims["iat"].as_i64().unwrap();
    assert!((before..=before + 10).contains(&iat), "{iat}");
    let expected = json!({
        "iss": "http://127.0.0.1:50051", "aud": "tandem", "sub": user.id,
        "sid": claims["sid"], "jti": claims["jti"],
        "iat": iat, "nbf": iat, "exp": iat + 600,
        "auth_time": claims["auth_time"], "amr": ["pwd"],
    });
    assert_eq!(claims, expected);
    let auth_time = claims["auth_time"].as_i64().unwrap();
    assert!((before - 1..=iat).contains(&auth_time), "{auth_time}");
    for id in ["sid", "jti"] {
        let text = claims[id].as_str().unwrap();
        assert_eq!(Uuid::parse_str(text).unwrap().hyphenated().to_string(), text, "{id}");
    }
}

#[tokio::test]
async fn each_login_has_its_own_session_id_and_token_id() {
    let app = App::start().await;
    app.register("ada").await;
    let [one, two] = [app.log_in("ada").await, app.log_in("ada").await];
    let id = |token: &str, claim: &str| -> Value { TokenParts::of(token).claims[claim].clone() };
    assert_ne!(id(&one, "sid"), id(&two, "sid"));
    assert_ne!(id(&one, "jti"), id(&two, "jti"));
}

#[tokio::test]
async fn issuer_audience_and_lifetime_are_as_configured() {
    let flags = ["--token-issuer", "https://auth.example", "--token-audience", "todo"];
    let flags = [flags.as_slice(), &["--access-token-lifetime-seconds", "77"]].concat();
    let app = App::with(&flags).await;
    let TokenParts { claims, .. } = TokenParts::of(&app.new_token("ada").await);
    assert_eq!([&claims["iss"], &claims["aud"]], ["https://auth.example", "todo"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 77);
}

#[tokio::test]
async fn the_expire_time_in_the_answer_equals_the_claim() {
    let app = App::start().await;
    app.register("ada").await;
    let answer = app.try_log_in("ada", PASSWORD).await.unwrap().into_inner();
    let tokens = answer.tokens().unwrap();
    let TokenParts { claims, .. } = TokenParts::of(&tokens.access_token);
    let expire_time = tokens.access_token_expire_time.unwrap();
    assert_eq!((Some(expire_time.seconds), expire_time.nanos), (claims["exp"].as_i64(), 0));
}

#[tokio::test]
async fn an_expired_token_is_rejected_as_expired() {
    let app =
        App::with(&["--access-token-lifetime-seconds", "1", "--token-leeway-seconds", "0"]).await;
    let token = app.new_token("ada").await;
    eventually("the token expires", async || app.current_user(&token).await.is_err()).await;
    let expected = unauthenticated("ACCESS_TOKEN_EXPIRED");
    assert_eq!(refusal(app.current_user(&token).await), expected);
}

#[tokio::test]
async fn a_token_is_valid_until_the_leeway_after_its_expiry() {
    let app =
        App::with(&["--access-token-lifetime-seconds", "1", "--token-leeway-seconds", "300"]).await;
    let token = app.new_token("ada").await;
    let expires_at = TokenParts::of(&token).claims["exp"].as_i64().unwrap();
    eventually("the token expires", async || shared::time::now().timestamp() > expires_at).await;
    app.current_user(&token).await.unwrap();
}
