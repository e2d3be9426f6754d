//! Rejected requests: the same code, reason and fields by every protocol.

use serde_json::{Value, json};
use test_support::{Fault, Via};

use super::wire;
use crate::support::{App, PASSWORD};

/// A session id that no user has.
const ABSENT_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Requests, and whether they are sent with a valid token.
fn rejected() -> Vec<(&'static str, bool, Value)> {
    let user =
        |username: &str, password: &str| json!({ "username": username, "password": password });
    let change =
        |current: &str, new: &str| json!({ "currentPassword": current, "newPassword": new });
    vec![
        ("Register", false, json!({})),
        ("Register", false, user("ab", PASSWORD)),
        ("Register", false, user("-ab", PASSWORD)),
        ("Register", false, user("admin", PASSWORD)),
        ("Register", false, user("new", "short")),
        ("Register", false, user("new", "password")),
        ("Register", false, user("new", "null\0otter-sails-north")),
        ("Register", false, user("new", &"x".repeat(72))),
        ("Register", false, user("", "")),
        ("Register", false, user("ada", PASSWORD)),
        ("Register", false, json!({ "username": "new", "password": PASSWORD, "requestId": "x" })),
        ("Login", false, json!({})),
        ("Login", false, user("ada", "wrong")),
        ("Login", false, user("nobody", PASSWORD)),
        ("RefreshToken", false, json!({})),
        ("RefreshToken", false, json!({ "refreshToken": "x" })),
        ("Logout", false, json!({})),
        ("GetCurrentUser", false, json!({})),
        ("ChangePassword", false, change(PASSWORD, "other-otter-sails-south")),
        ("ChangePassword", true, change("wrong", "other-otter-sails-south")),
        ("ChangePassword", true, change(PASSWORD, "short")),
        ("ChangePassword", true, change("", "")),
        ("ListSessions", false, json!({})),
        ("ListSessions", true, json!({ "pageSize": -1 })),
        ("ListSessions", true, json!({ "pageToken": "x" })),
        ("RevokeSession", false, json!({ "sessionId": ABSENT_ID })),
        ("RevokeSession", true, json!({ "sessionId": "x" })),
        ("RevokeSession", true, json!({ "sessionId": ABSENT_ID })),
        ("RevokeOtherSessions", false, json!({})),
    ]
}

#[tokio::test]
async fn a_request_is_rejected_alike_by_every_protocol() {
    let app = App::start().await;
    let wire = wire(&app);
    let token = app.new_token("ada").await;
    for (method, has_token, request) in rejected() {
        let token = if has_token { &*token } else { "" };
        let grpc = wire.call(Via::Grpc, method, token, &request).await;
        let grpc = grpc.expect_err(&format!("gRPC accepts {method} {request}"));
        assert_ne!(grpc.reason, "", "{method} {request}");
        for via in Via::ALL {
            let fault = wire.call(via, method, token, &request).await.expect_err("as in gRPC");
            let spell = |field: &String| wire.spell(via, method, field);
            let expected =
                Fault { fields: grpc.fields.iter().map(spell).collect(), ..grpc.clone() };
            assert_eq!(fault, expected, "{via:?} {method} {request}");
        }
    }
}
