//! Clients of auth-service.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message as _;
use proto::auth::v1 as pb;

use crate::load::{Call, Client};

const LOGIN: &str = "/tandem.auth.v1.AuthService/Login";
const REFRESH: &str = "/tandem.auth.v1.AuthService/RefreshToken";

/// The password of all users.
pub(crate) const PASSWORD: &str = "quiet-otter-sails-north";

/// A client that logs in over and over.
pub(super) struct LoginClient {
    username: String,
}

impl LoginClient {
    pub(super) fn new(username: String) -> Self {
        Self { username }
    }
}

impl Client for LoginClient {
    fn next(&mut self) -> Call {
        let (username, password) = (self.username.clone(), PASSWORD.to_owned());
        Call::grpc(LOGIN, None, &pb::LoginRequest { username, password })
    }

    fn check(&mut self, response: Bytes) -> anyhow::Result<()> {
        let tokens = pb::LoginResponse::decode(response)?.tokens().context("no tokens")?;
        ensure!(!tokens.access_token.is_empty(), "the response has no access token");
        Ok(())
    }
}

/// A client that logs in, and refreshes the session over and over.
pub(super) struct RefreshClient {
    login: LoginClient,
    refresh_token: Option<String>,
}

impl RefreshClient {
    pub(super) fn new(username: String) -> Self {
        Self { login: LoginClient::new(username), refresh_token: None }
    }
}

impl Client for RefreshClient {
    fn next(&mut self) -> Call {
        let Some(refresh_token) = self.refresh_token.clone() else { return self.login.next() };
        Call::grpc(REFRESH, None, &pb::RefreshTokenRequest { refresh_token })
    }

    fn check(&mut self, response: Bytes) -> anyhow::Result<()> {
        let tokens = match self.refresh_token {
            None => pb::LoginResponse::decode(response)?.tokens(),
            Some(_) => pb::RefreshTokenResponse::decode(response)?.tokens,
        };
        let next = tokens.context("no tokens")?.refresh_token;
        ensure!(self.refresh_token.as_ref() != Some(&next), "the refresh token is the same");
        self.refresh_token = Some(next);
        Ok(())
    }
}
