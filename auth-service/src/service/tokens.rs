//! Issues the token pair that Login and RefreshToken return.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use proto::auth::v1 as pb;
use shared::{auth::Claims, config::TokenConfig, error::Error, time};
use uuid::Uuid;

use crate::{
    config::Config,
    domain::{
        refresh_token::{RefreshToken, RefreshTokens},
        session::ActiveSession,
    },
    keys::SigningKeys,
};

/// Issues access tokens and refresh tokens.
pub(super) struct Tokens {
    keys: Arc<SigningKeys>,
    refresh: RefreshTokens,
    config: TokenConfig,
    access_token_lifetime: chrono::Duration,
}

impl Tokens {
    pub(super) fn new(keys: Arc<SigningKeys>, config: &Config) -> Self {
        Self {
            keys,
            refresh: RefreshTokens::new(config.root_key.get()),
            config: config.token.clone(),
            access_token_lifetime: chrono::Duration::from_std(config.login.access_token_lifetime)
                .expect("the configuration limits it to 15 minutes"),
        }
    }

    /// Authenticates a refresh token.
    pub(super) fn open(&self, refresh_token: &str) -> Result<RefreshToken, Error> {
        self.refresh.open(refresh_token).ok_or(Error::RefreshTokenInvalid)
    }

    /// Issues an access token and the current refresh token of a session.
    pub(super) fn issue(
        &self,
        session: ActiveSession,
        now: DateTime<Utc>,
    ) -> Result<pb::TokenPair, Error> {
        let issued_at = now.timestamp();
        let expires_at = issued_at + self.access_token_lifetime.num_seconds();
        let access_token = self.keys.sign(&Claims {
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            sub: session.user_id,
            sid: session.session_id,
            iat: issued_at,
            nbf: issued_at,
            exp: expires_at,
            jti: Uuid::now_v7().to_string(),
            roles: session.roles.into(),
        })?;
        let (session_id, generation) = (session.session_id, session.generation);
        Ok(pb::TokenPair {
            access_token,
            access_token_expire_time: Some(prost_types::Timestamp {
                seconds: expires_at,
                nanos: 0,
            }),
            refresh_token: self.refresh.seal(RefreshToken { session_id, generation }),
            refresh_token_expire_time: Some(time::timestamp(session.expire_time)),
        })
    }
}
