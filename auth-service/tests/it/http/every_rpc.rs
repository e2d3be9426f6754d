//! Every RPC by every protocol.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use test_support::{Via, Wire};

use super::wire;
use crate::support::{App, Authenticator, PASSWORD};

#[tokio::test]
async fn every_rpc_answers_by_every_protocol() {
    let app = App::start().await;
    for (number, via) in Via::ALL.into_iter().enumerate() {
        let token = app.new_admin(&format!("admin-{number}")).await.login.tokens.access_token;
        let session = Session { wire: wire(&app), via, token, called: BTreeSet::new() };
        session.run(number).await;
    }
}

/// The calls of a user by one protocol.
struct Session {
    wire: Wire,
    via: Via,
    token: String,
    called: BTreeSet<String>,
}

impl Session {
    async fn call(&mut self, method: &str, request: Value) -> Value {
        self.called.insert(method.to_owned());
        let answer = self.wire.call(self.via, method, &self.token, &request).await;
        answer.unwrap_or_else(|fault| panic!("{:?} {method}: {fault:?}", self.via))
    }

    /// The calls of an administrator.
    async fn administer(&mut self, number: usize) {
        let username = format!("member-{number}");
        let create = json!({ "user": { "username": username, "roles": ["editor"] } });
        let user = self.call("CreateUser", create).await["user"].clone();
        let id = json!({ "userId": user["id"] });
        assert_eq!(self.call("GetUser", id.clone()).await["user"], user, "{:?}", self.via);
        let batch = json!({ "requests": [{ "user": { "username": format!("batch-{number}") } }] });
        let imported = self.call("BatchCreateUsers", batch).await["users"][0]["id"].clone();
        let created = self.call("CreatePasswordResetToken", json!({ "userId": imported })).await;
        let reset = json!({ "resetToken": created["resetToken"], "newPassword": PASSWORD });
        assert_eq!(self.call("ResetPassword", reset).await, json!({}), "{:?}", self.via);
        let filter = json!({ "role": "editor", "disabled": false, "usernamePrefix": "member-" });
        let list = json!({ "filter": filter, "orderBy": "username desc", "pageSize": 1 });
        let listed = self.call("ListUsers", list).await;
        assert_eq!(listed["users"][0], user, "{:?}", self.via);
        let update = json!({
            "user": { "id": user["id"], "etag": user["etag"], "disabled": true },
            "updateMask": "disabled",
        });
        assert_eq!(self.call("UpdateUser", update).await["user"]["disabled"], true);
        assert_eq!(self.call("ListUserSessions", id.clone()).await, json!({}));
        assert_eq!(self.call("RevokeUserSessions", id.clone()).await, json!({}));
        let deleted = self.call("DeleteUser", id.clone()).await;
        assert!(deleted["user"]["purgeTime"].is_string(), "{:?}", self.via);
        let filter = json!({ "filter": { "events": ["login_succeeded", "registered"] } });
        let events = self.call("AdminService.ListEvents", filter).await;
        assert!(events.get("events").is_none_or(Value::is_array), "{events}");
        let restored = self.call("UndeleteUser", id).await;
        assert_eq!(restored["user"]["roles"], json!(["editor"]), "{:?}", self.via);
    }

    /// Enables the second factor. Returns the authenticator, the current step, whose code is used,
    /// and the recovery codes.
    async fn enroll(&mut self) -> (Authenticator, i64, Value) {
        let password = json!({ "currentPassword": PASSWORD });
        let begun = self.call("BeginTotpEnrollment", password).await;
        let authenticator = Authenticator::new(begun["secret"].as_str().expect("it is text"));
        let step = shared::time::now().timestamp() / 30;
        let code = json!({ "code": authenticator.code(step) });
        let confirmed = self.call("ConfirmTotp", code).await;
        (authenticator, step, confirmed["recoveryCodes"].clone())
    }

    /// The calls about the second factor. They end the user's sessions.
    async fn secure(&mut self, credentials: &Value, admin_token: String) {
        let (authenticator, step, codes) = self.enroll().await;
        let login = self.call("Login", credentials.clone()).await;
        assert!(login["tokens"].is_null() && login["user"].is_null(), "{:?}", self.via);
        let challenge = &login["challenge"]["challenge"];
        let code = json!({ "challenge": challenge, "code": authenticator.code(step + 1) });
        let completed = self.call("CompleteLogin", code).await;
        assert_eq!(completed["user"]["totpEnabled"], true, "{:?}", self.via);
        let renew = json!({ "currentPassword": PASSWORD, "recoveryCode": codes[0] });
        let codes = self.call("RegenerateRecoveryCodes", renew).await["recoveryCodes"].clone();
        let disable = json!({ "currentPassword": PASSWORD, "recoveryCode": codes[0] });
        assert_eq!(self.call("DisableTotp", disable).await, json!({}), "{:?}", self.via);

        self.enroll().await;
        self.token = admin_token;
        let id = json!({ "userId": completed["user"]["id"] });
        assert_eq!(self.call("ResetUserTotp", id).await, json!({}), "{:?}", self.via);
    }

    async fn log_in(&mut self, credentials: &Value) {
        let login = self.call("Login", credentials.clone()).await;
        let token = login["tokens"]["accessToken"].as_str();
        token.expect("it is text").clone_into(&mut self.token);
    }

    async fn run(mut self, number: usize) {
        self.administer(number).await;
        let admin_token = self.token.clone();
        let username = format!("user-{number}");
        let credentials = json!({ "username": username, "password": PASSWORD });
        let registered = self.call("Register", credentials.clone()).await;
        let first = self.call("Login", credentials.clone()).await;
        assert_eq!(first["user"], registered["user"], "{:?}", self.via);
        let login = self.call("Login", credentials.clone()).await;
        let refresh = json!({ "refreshToken": login["tokens"]["refreshToken"] });
        let refreshed = self.call("RefreshToken", refresh).await;
        self.token = refreshed["tokens"]["accessToken"].as_str().expect("it is text").to_owned();
        let current = self.call("GetCurrentUser", json!({})).await;
        assert_eq!(current["user"], registered["user"], "{:?}", self.via);

        let sessions = self.call("ListSessions", json!({ "pageSize": 1 })).await;
        let page = json!({ "pageSize": 1, "pageToken": sessions["nextPageToken"] });
        let older = self.call("ListSessions", page).await;
        let id = &older["sessions"][0]["id"];
        assert_eq!(self.call("RevokeSession", json!({ "sessionId": id })).await, json!({}));
        assert_eq!(self.call("RevokeOtherSessions", json!({})).await, json!({}));
        self.secure(&credentials, admin_token).await;
        self.log_in(&credentials).await;
        let renamed = json!({ "username": format!("name-{number}"), "currentPassword": PASSWORD });
        let renamed = self.call("UpdateCurrentUser", renamed).await;
        assert_eq!(renamed["user"]["id"], registered["user"]["id"], "{:?}", self.via);
        let change =
            json!({ "currentPassword": PASSWORD, "newPassword": "other-otter-sails-south" });
        assert_eq!(self.call("ChangePassword", change).await, json!({}));
        let events = self.call("ListEvents", json!({ "pageSize": 1 })).await;
        assert!(events.get("nextPageToken").is_none_or(Value::is_string), "{events}");
        let keys = self.call("GetJsonWebKeySet", json!({})).await;
        assert_eq!(keys["keys"][0]["kty"], "EC");
        let delete = json!({ "currentPassword": "other-otter-sails-south" });
        let deleted = self.call("DeleteCurrentUser", delete).await;
        assert!(deleted["purgeTime"].is_string(), "{:?}", self.via);
        assert_eq!(self.call("Logout", json!({})).await, json!({}), "idempotent");
        let ended = self.wire.call(self.via, "GetCurrentUser", &self.token, &json!({})).await;
        assert_eq!(
            ended.expect_err("the session has ended").reason,
            "ACCESS_TOKEN_INVALID",
            "{:?}",
            self.via
        );

        let all = self.wire.methods().into_iter().collect();
        assert_eq!(self.called, all, "every method is called");
    }
}
