//! Calls of auth-service by people whom the data have.

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message as _;
use proto::auth::v1 as pb;

use crate::load::{Call, Caller};

const LOGIN: &str = "/tandem.auth.v1.AuthService/Login";
const REFRESH: &str = "/tandem.auth.v1.AuthService/RefreshToken";

/// The password of everybody.
pub(crate) const PASSWORD: &str = "quiet-otter-sails-north";

/// Somebody who logs in over and over.
pub(crate) struct LoginCaller {
    username: String,
}

impl LoginCaller {
    pub(crate) fn new(username: String) -> Self {
        Self { username }
    }
}

impl Caller for LoginCaller {
    fn next(&mut self) -> Call {
        let (username, password) = (self.username.clone(), PASSWORD.to_owned());
        Call::grpc(LOGIN, None, &pb::LoginRequest { username, password })
    }

    fn check(&mut self, answer: Bytes) -> anyhow::Result<()> {
        let tokens = pb::LoginResponse::decode(answer)?.tokens.context("there are no tokens")?;
        ensure!(!tokens.access_token.is_empty(), "there is no access token");
        Ok(())
    }
}

/// Somebody who logs in, and refreshes the session over and over.
pub(crate) struct RefreshCaller {
    login: LoginCaller,
    refresh_token: Option<String>,
}

impl RefreshCaller {
    pub(crate) fn new(username: String) -> Self {
        Self { login: LoginCaller::new(username), refresh_token: None }
    }
}

impl Caller for RefreshCaller {
    fn next(&mut self) -> Call {
        let Some(refresh_token) = self.refresh_token.clone() else { return self.login.next() };
        Call::grpc(REFRESH, None, &pb::RefreshTokenRequest { refresh_token })
    }

    fn check(&mut self, answer: Bytes) -> anyhow::Result<()> {
        let tokens = match self.refresh_token {
            None => pb::LoginResponse::decode(answer)?.tokens,
            Some(_) => pb::RefreshTokenResponse::decode(answer)?.tokens,
        };
        let next = tokens.context("there are no tokens")?.refresh_token;
        ensure!(self.refresh_token.as_ref() != Some(&next), "the refresh token is the same");
        self.refresh_token = Some(next);
        Ok(())
    }
}
