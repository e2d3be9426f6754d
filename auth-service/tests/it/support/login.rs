//! A logged-in user, and calls with its tokens.

use proto::auth::v1::{self as pb, auth_service_client::AuthServiceClient};
use shared::ids::SessionId;
use test_support::with_token;
use tonic::{Status, transport::Channel};

use super::{App, PASSWORD, TokenParts};

/// The tokens of a session, as a client keeps them.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) client: AuthServiceClient<Channel>,
    pub(crate) tokens: pb::TokenPair,
}

impl App {
    /// Registers a user and logs them in.
    pub(crate) async fn new_login(&self, username: &str) -> Login {
        self.register(username).await;
        self.begin_session(username).await
    }

    /// Logs a user in with [`PASSWORD`].
    pub(crate) async fn begin_session(&self, username: &str) -> Login {
        let answer = self.try_log_in(username, PASSWORD).await.expect("the login succeeds");
        let tokens = answer.into_inner().tokens().expect("tokens are returned");
        Login { client: self.client(), tokens }
    }
}

impl Login {
    /// The session that the access token names.
    pub(crate) fn session_id(&self) -> String {
        let claims = TokenParts::of(&self.tokens.access_token).claims;
        let id: SessionId =
            serde_json::from_value(claims["sid"].clone()).expect("sid is a session id");
        id.to_string()
    }

    /// Presents the refresh token. Returns the login with the new tokens.
    pub(crate) async fn refresh(&self) -> Result<Self, Status> {
        let refresh_token = self.tokens.refresh_token.clone();
        let request = pb::RefreshTokenRequest { refresh_token };
        let answer = self.client.clone().refresh_token(request).await?.into_inner();
        let tokens = answer.tokens.expect("tokens are returned");
        Ok(Self { client: self.client.clone(), tokens })
    }

    pub(crate) async fn sessions(&self) -> Result<Vec<pb::Session>, Status> {
        Ok(self.sessions_page(0, "").await?.sessions)
    }

    pub(crate) async fn sessions_page(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<pb::ListSessionsResponse, Status> {
        let request = pb::ListSessionsRequest { page_size, page_token: page_token.to_owned() };
        Ok(self.client.clone().list_sessions(self.request(request)).await?.into_inner())
    }

    pub(crate) async fn revoke(&self, session_id: &str) -> Result<(), Status> {
        let request = pb::RevokeSessionRequest { session_id: session_id.to_owned() };
        self.client.clone().revoke_session(self.request(request)).await.map(drop)
    }

    pub(crate) async fn revoke_others(&self) -> Result<i32, Status> {
        let request = self.request(pb::RevokeOtherSessionsRequest {});
        let answer = self.client.clone().revoke_other_sessions(request).await?;
        Ok(answer.into_inner().revoked_count)
    }

    pub(crate) async fn log_out(&self) -> Result<(), Status> {
        let request = self.request(pb::LogoutRequest {});
        self.client.clone().logout(request).await.map(drop)
    }

    pub(crate) async fn change_password(&self, current: &str, new: &str) -> Result<(), Status> {
        let request = self.request(pb::ChangePasswordRequest {
            current_password: current.to_owned(),
            new_password: new.to_owned(),
        });
        self.client.clone().change_password(request).await.map(drop)
    }

    pub(super) fn request<T>(&self, message: T) -> tonic::Request<T> {
        with_token(&self.tokens.access_token, message)
    }
}
