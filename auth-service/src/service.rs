//! The RPCs of `tandem.auth.v1.AuthService`, one function each.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use proto::auth::v1::{self as pb, auth_service_server::AuthService};
use shared::{
    auth::{Audience, Claims, Verifier},
    config::TokenConfig,
    error::{Error, RpcResult},
    ids::{SessionId, UserId},
    time,
};
use sqlx::PgPool;
use tonic::{Request, Response};
use uuid::Uuid;

use crate::{
    config::Config,
    domain::{password::PasswordHash, user::User},
    hashing::Hashing,
    keys::SigningKeys,
    store::users,
};

mod convert;
pub(crate) mod jwks;

/// The state behind the service.
pub(crate) struct Auth {
    db: PgPool,
    hashing: Hashing,
    keys: Arc<SigningKeys>,
    verifier: Verifier,
    token: TokenConfig,
    access_token_lifetime: chrono::Duration,
}

impl Auth {
    pub(crate) fn new(db: PgPool, keys: Arc<SigningKeys>, config: &Config) -> Self {
        Self {
            db,
            hashing: Hashing::new(&config.login),
            verifier: Verifier::new(keys.verifying(), &config.token),
            keys,
            token: config.token.clone(),
            access_token_lifetime: chrono::Duration::from_std(config.login.access_token_lifetime)
                .expect("it is at most 15 minutes"),
        }
    }

    fn issue_tokens(&self, user: UserId, now: DateTime<Utc>) -> Result<pb::TokenPair, Error> {
        let issued_at = now.timestamp();
        let expires_at = issued_at + self.access_token_lifetime.num_seconds();
        let access_token = self.keys.sign(&Claims {
            iss: self.token.issuer.clone(),
            aud: Audience::One(self.token.audience.clone()),
            sub: user,
            sid: SessionId::generate(),
            iat: issued_at,
            nbf: issued_at,
            exp: expires_at,
            jti: Uuid::now_v7().to_string(),
        })?;
        let access_token_expire_time = Some(convert::seconds(expires_at));
        Ok(pb::TokenPair { access_token, access_token_expire_time })
    }
}

#[tonic::async_trait]
impl AuthService for Auth {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> RpcResult<pb::RegisterResponse> {
        let (username, password) = convert::registration(request.into_inner())?;
        let password_hash = self.hashing.hash(password).await?;
        let user = User::new(username, time::now());
        users::insert(&self.db, &user, &password_hash).await?;
        Ok(Response::new(pb::RegisterResponse { user: Some(user.into()) }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> RpcResult<pb::LoginResponse> {
        let (username, password) = convert::credentials(request.into_inner())?;
        let found = match username {
            Some(username) => users::find_by_username(&self.db, &username).await?,
            None => None,
        };
        let (user, stored) = found.unzip();
        let known = self.hashing.verify(password, stored.and_then(PasswordHash::stored)).await?;
        let user = user.filter(|_| known).ok_or(Error::CredentialsInvalid)?;
        let tokens = Some(self.issue_tokens(user.id, time::now())?);
        Ok(Response::new(pb::LoginResponse { tokens, user: Some(user.into()) }))
    }

    async fn get_current_user(
        &self,
        request: Request<pb::GetCurrentUserRequest>,
    ) -> RpcResult<pb::GetCurrentUserResponse> {
        let caller = self.verifier.authenticate(request.metadata(), time::now())?;
        let user = users::find(&self.db, caller.id).await?.ok_or(Error::AccessTokenInvalid)?;
        Ok(Response::new(pb::GetCurrentUserResponse { user: Some(user.into()) }))
    }

    async fn get_json_web_key_set(
        &self,
        _: Request<pb::GetJsonWebKeySetRequest>,
    ) -> RpcResult<pb::GetJsonWebKeySetResponse> {
        let keys = self.keys.jwks()?.into_iter().map(convert::json_web_key).collect();
        Ok(Response::new(pb::GetJsonWebKeySetResponse { keys }))
    }
}
