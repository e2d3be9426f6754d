//! Verification of access tokens, shown by GetCurrentUser.

use proto::auth::v1::GetCurrentUserRequest;
use serde_json::json;
use shared::ids::UserId;
use test_support::{Refusal, TestKey, bearer, claims, refusal, with_authorization};

use crate::support::{App, TokenParts, unauthenticated};

async fn rejected(app: &App, authorization: &[&str]) -> Refusal {
    let request = with_authorization(authorization, GetCurrentUserRequest {});
    refusal(app.client().get_current_user(request).await)
}

fn missing() -> Refusal {
    unauthenticated("ACCESS_TOKEN_MISSING")
}

fn invalid() -> Refusal {
    unauthenticated("ACCESS_TOKEN_INVALID")
}

fn id_of(user: &proto::auth::v1::User) -> UserId {
    UserId(user.id.parse().expect("a user id is a UUID"))
}

#[tokio::test]
async fn a_token_identifies_its_user() {
    let app = App::start().await;
    let [ada, bob] = [app.register("ada").await, app.register("bob").await];
    for (name, user) in [("ada", ada), ("bob", bob)] {
        let answer = app.current_user(&app.log_in(name).await).await.unwrap();
        assert_eq!(answer.into_inner().user, Some(user));
    }
}

#[tokio::test]
async fn the_scheme_matches_in_any_case() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
        let authorization = format!("{scheme} {token}");
        let request = with_authorization(&[&authorization], GetCurrentUserRequest {});
        let answer = app.client().get_current_user(request).await;
        assert!(answer.is_ok(), "{scheme:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_call_without_a_bearer_token_is_rejected_as_missing() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    assert_eq!(rejected(&app, &[]).await, missing());
    for authorization in ["Basic YWRhOnBhc3N3b3Jk", "x", "", &token, &format!("Token {token}")] {
        assert_eq!(rejected(&app, &[authorization]).await, missing(), "{authorization:?}");
    }
}

#[tokio::test]
async fn text_that_is_not_a_token_of_this_service_is_invalid() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    let good = bearer(&token);
    let (message, signature) = token.rsplit_once('.').unwrap();
    for authorization in [
        "Bearer garbage",
        "Bearer ",
        "Bearer a.b.c",
        "Bearer ..",
        &format!("{good}x"),
        &format!("{good}.{signature}"),
        &format!("{good},"),
        &format!("{good} {token}"),
        &bearer(message),
        &bearer(&format!("{message}.")),
        &bearer(&"a".repeat(8192)),
    ] {
        assert_eq!(rejected(&app, &[authorization]).await, invalid(), "{authorization}");
    }
}

#[tokio::test]
async fn two_tokens_in_one_call_are_invalid() {
    let app = App::start().await;
    let good = bearer(&app.new_token("ada").await);
    assert_eq!(rejected(&app, &[&good, &good]).await, invalid());
    assert_eq!(rejected(&app, &[&good, "Basic YWRhOnBhc3N3b3Jk"]).await, invalid());
}

#[tokio::test]
async fn a_token_signed_by_another_key_is_invalid() {
    let app = App::start().await;
    let user = id_of(&app.register("ada").await);
    let stranger = TestKey::generate("stranger");
    let impostor = TestKey::generate(&app.key().await.kid);
    let mut bring_a_key = impostor.header();
    bring_a_key["jwk"] = impostor.jwk();
    let mut no_algorithm = impostor.header();
    no_algorithm["alg"] = json!("none");
    for (what, token) in [
        ("unknown key id", stranger.token(user)),
        ("the service's key id", impostor.token(user)),
        ("key in the header", impostor.sign(&bring_a_key, &claims(user))),
        ("no algorithm", impostor.sign(&no_algorithm, &claims(user))),
    ] {
        assert_eq!(rejected(&app, &[&bearer(&token)]).await, invalid(), "{what}");
    }
}

#[tokio::test]
async fn a_changed_token_is_invalid() {
    let app = App::start().await;
    let [token, bob] = [app.new_token("ada").await, app.register("bob").await.id];
    let changed = |change: &dyn Fn(&mut TokenParts)| {
        let mut parts = TokenParts::of(&token);
        change(&mut parts);
        bearer(&parts.join())
    };
    for authorization in [
        changed(&|token| token.claims["sub"] = json!(bob)),
        changed(&|token| token.claims["exp"] = json!(token.claims["exp"].as_i64().unwrap() + 60)),
        changed(&|token| token.claims["admin"] = json!(true)),
        changed(&|token| token.header["alg"] = json!("none")),
        changed(&|token| token.header["alg"] = json!("HS256")),
        changed(&|token| token.header["typ"] = json!("JWT")),
        changed(&|token| token.header["crit"] = json!(["exp"])),
        changed(&|token| token.signature = "A".repeat(86)),
        changed(&|token| token.signature = String::new()),
    ] {
        assert_eq!(rejected(&app, &[&authorization]).await, invalid(), "{authorization}");
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_or_for_another_audience_is_invalid() {
    let app = App::start().await;
    app.register("ada").await;
    for flags in [["--token-issuer", "https://other.example"], ["--token-audience", "other"]] {
        let other = App::on(&app.database, &flags).await;
        let (ours, theirs) = (app.log_in("ada").await, other.log_in("ada").await);
        assert!(other.current_user(&theirs).await.is_ok());
        assert_eq!(rejected(&app, &[&bearer(&theirs)]).await, invalid(), "{flags:?}");
        assert_eq!(rejected(&other, &[&bearer(&ours)]).await, invalid(), "{flags:?}");
    }
}

#[tokio::test]
async fn the_token_of_a_deleted_user_is_invalid() {
    let app = App::start().await;
    let token = app.new_token("ada").await;
    app.database.execute("delete from auth.users").await;
    assert_eq!(rejected(&app, &[&bearer(&token)]).await, invalid());
}

#[tokio::test]
async fn calls_that_need_no_token_ignore_one() {
    let app = App::start().await;
    let request = proto::auth::v1::GetJsonWebKeySetRequest {};
    let request = with_authorization(&["Bearer garbage", "x"], request);
    app.client().get_json_web_key_set(request).await.unwrap();
}
