//! The RPCs of `tandem.auth.v1.AuthService`, one function each.

use std::{sync::Arc, time::Duration};

use proto::auth::v1::{self as pb, auth_service_server::AuthService};
use shared::{
    auth::Verifier,
    db::{Pools, WorkerPool},
    error::{Error, RpcResult},
    page::{self, PageTokenKey},
    time::timestamp,
};
use tandem_server::metrics::Metrics;
use tonic::{Request, Response};

use crate::{
    config::Config,
    domain::{
        client_address::TrustedProxies,
        session::{Cursor, Session, SessionPolicy},
    },
    events::{Entry, Event, Events},
    hashing::Hashing,
    keys::SigningKeys,
    service::{password::PasswordResets, second_factor::SecondFactor, tokens::Tokens},
    store::sessions,
    throttle::Throttles,
};

pub(crate) mod account_events;
mod admin;
mod caller;
mod convert;
mod current_user;
mod events;
pub(crate) mod jwks;
mod login;
mod password;
mod refresh;
mod register;
mod second_factor;
mod tokens;

/// The list that a page token belongs to.
const SESSIONS: &str = "tandem: sessions by create_time desc, v1";
const USERS: &str = "tandem: users, v1";
const SESSIONS_OF_USER: &str = "tandem: sessions of a user by create_time desc, v1";

/// The state behind the service, with the database connections of one worker.
#[derive(Clone)]
pub(crate) struct Auth {
    db: WorkerPool,
    pools: Pools,
    hashing: Arc<Hashing>,
    throttles: Arc<Throttles>,
    proxies: TrustedProxies,
    keys: Arc<SigningKeys>,
    verifier: Arc<Verifier>,
    tokens: Arc<Tokens>,
    sessions: SessionPolicy,
    deleted_user_retention: Duration,
    page_tokens: Arc<PageTokenKey>,
    second_factor: Arc<SecondFactor>,
    resets: Arc<PasswordResets>,
    events: Events,
}

impl Auth {
    /// The state for the first worker.
    pub(crate) fn new(
        pools: Pools,
        keys: Arc<SigningKeys>,
        events: Events,
        config: &Config,
        metrics: &Metrics,
    ) -> Self {
        let page_token_key = config.root_key.get().derive("tandem: page tokens, v1");
        Self {
            db: pools.of_worker(0),
            pools,
            hashing: Arc::new(Hashing::new(&config.login, metrics)),
            throttles: Arc::new(Throttles::new(&config.throttle, events.clone(), metrics)),
            proxies: config.throttle.trusted_proxies.clone(),
            verifier: Arc::new(Verifier::new(keys.verifying(), (&config.token).into())),
            tokens: Arc::new(Tokens::new(keys.clone(), config)),
            keys,
            sessions: config.session.policy(),
            deleted_user_retention: config.accounts.deleted_user_retention,
            page_tokens: Arc::new(PageTokenKey::new(&*page_token_key)),
            second_factor: Arc::new(SecondFactor::new(config, metrics)),
            resets: Arc::new(PasswordResets::new(config, metrics)),
            events,
        }
    }

    /// The same state with the connections of another worker.
    pub(crate) fn of_worker(&self, worker: usize) -> Self {
        Self { db: self.pools.of_worker(worker), ..self.clone() }
    }
}

#[tonic::async_trait]
impl AuthService for Auth {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> RpcResult<pb::RegisterResponse> {
        let source = self.source(&request);
        let user = self.register_once(request.into_inner(), &source).await?;
        Ok(Response::new(pb::RegisterResponse { user: Some(user.into()) }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> RpcResult<pb::LoginResponse> {
        let source = self.source(&request);
        Ok(Response::new(self.log_in(request.into_inner(), &source).await?))
    }

    async fn complete_login(
        &self,
        request: Request<pb::CompleteLoginRequest>,
    ) -> RpcResult<pb::CompleteLoginResponse> {
        let source = self.source(&request);
        Ok(Response::new(self.complete(request.into_inner(), &source).await?))
    }

    async fn refresh_token(
        &self,
        request: Request<pb::RefreshTokenRequest>,
    ) -> RpcResult<pb::RefreshTokenResponse> {
        let source = self.source(&request);
        let tokens = Some(self.refresh(&request.get_ref().refresh_token, &source).await?);
        Ok(Response::new(pb::RefreshTokenResponse { tokens }))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> RpcResult<pb::LogoutResponse> {
        let caller = self.caller(&request).await?;
        if sessions::delete(&self.db, caller.id, caller.session_id).await? {
            let source = self.source(&request);
            self.events.record(&Entry::of_caller(Event::LoggedOut, &caller, &source));
        }
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> RpcResult<pb::ChangePasswordResponse> {
        let (caller, account, source) = self.account_from(&request).await?;
        self.replace_password(&caller, &account, request.into_inner(), &source).await?;
        Ok(Response::new(pb::ChangePasswordResponse {}))
    }

    async fn reset_password(
        &self,
        request: Request<pb::ResetPasswordRequest>,
    ) -> RpcResult<pb::ResetPasswordResponse> {
        let source = self.source(&request);
        self.reset(request.into_inner(), &source).await?;
        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    async fn update_current_user(
        &self,
        request: Request<pb::UpdateCurrentUserRequest>,
    ) -> RpcResult<pb::UpdateCurrentUserResponse> {
        let (caller, account, source) = self.account_from(&request).await?;
        let user = self.rename(caller, &account, request.into_inner(), source).await?;
        Ok(Response::new(pb::UpdateCurrentUserResponse { user: Some(user.into()) }))
    }

    async fn delete_current_user(
        &self,
        request: Request<pb::DeleteCurrentUserRequest>,
    ) -> RpcResult<pb::DeleteCurrentUserResponse> {
        let (caller, account, source) = self.account_from(&request).await?;
        let purge_time =
            self.delete_own(caller, &account, request.into_inner(), source).await?.map(timestamp);
        Ok(Response::new(pb::DeleteCurrentUserResponse { purge_time }))
    }

    async fn begin_totp_enrollment(
        &self,
        request: Request<pb::BeginTotpEnrollmentRequest>,
    ) -> RpcResult<pb::BeginTotpEnrollmentResponse> {
        let (caller, account, source) = self.account_from(&request).await?;
        let begun = self.begin_totp(&caller, &account, request.into_inner(), &source).await?;
        Ok(Response::new(begun))
    }

    async fn confirm_totp(
        &self,
        request: Request<pb::ConfirmTotpRequest>,
    ) -> RpcResult<pb::ConfirmTotpResponse> {
        let (caller, account, source) = self.account_from(&request).await?;
        let code = convert::code(&request.get_ref().code)?;
        Ok(Response::new(self.confirm(&caller, &account, code, &source).await?))
    }

    async fn disable_totp(
        &self,
        request: Request<pb::DisableTotpRequest>,
    ) -> RpcResult<pb::DisableTotpResponse> {
        let (caller, account, source) = self.account_from(&request).await?;
        self.disable_totp_of(&caller, &account, request.into_inner(), &source).await?;
        Ok(Response::new(pb::DisableTotpResponse {}))
    }

    async fn regenerate_recovery_codes(
        &self,
        request: Request<pb::RegenerateRecoveryCodesRequest>,
    ) -> RpcResult<pb::RegenerateRecoveryCodesResponse> {
        let (caller, account, source) = self.account_from(&request).await?;
        let codes = self.regenerate(&caller, &account, request.into_inner(), &source).await?;
        Ok(Response::new(codes))
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> RpcResult<pb::ListSessionsResponse> {
        let (caller, _) = self.account(&request).await?;
        let req = request.into_inner();
        let page_size = convert::page_size(req.page_size)?;
        let cursor = self.page_tokens.open(caller.id, SESSIONS, &req.page_token)?;
        let cursor = cursor.unwrap_or(Cursor::START);
        let limit = page_size.get() + 1;
        let sessions = sessions::list(&self.db, caller.id, cursor, limit).await?;
        let (sessions, has_more) = page::cut(sessions, page_size, Session::bytes);
        let last = sessions.last().filter(|_| has_more).map(Session::cursor);
        let next = last.map(|cursor| self.page_tokens.seal(caller.id, SESSIONS, &cursor));
        let sessions = sessions.into_iter().map(|session| convert::session(session, &caller));
        Ok(Response::new(pb::ListSessionsResponse {
            sessions: sessions.collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> RpcResult<pb::RevokeSessionResponse> {
        let (caller, _) = self.account(&request).await?;
        let id = convert::session_id(&request.get_ref().session_id)?;
        if !sessions::delete(&self.db, caller.id, id).await? {
            return Err(Error::SessionNotFound.into());
        }
        let source = self.source(&request);
        let entry = Entry::of_user(Event::SessionRevoked, caller.id, &source);
        self.events.record(&Entry { session_id: Some(id), ..entry });
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }

    async fn revoke_other_sessions(
        &self,
        request: Request<pb::RevokeOtherSessionsRequest>,
    ) -> RpcResult<pb::RevokeOtherSessionsResponse> {
        let (caller, _) = self.account(&request).await?;
        let revoked = sessions::delete_others(&self.db, caller.id, caller.session_id).await?;
        if revoked > 0 {
            let source = self.source(&request);
            self.events.record(&Entry::of_user(Event::OtherSessionsRevoked, caller.id, &source));
        }
        let revoked_count = revoked.try_into().unwrap_or(i32::MAX);
        Ok(Response::new(pb::RevokeOtherSessionsResponse { revoked_count }))
    }

    async fn get_current_user(
        &self,
        request: Request<pb::GetCurrentUserRequest>,
    ) -> RpcResult<pb::GetCurrentUserResponse> {
        let (_, account) = self.account(&request).await?;
        Ok(Response::new(pb::GetCurrentUserResponse { user: Some(account.user.into()) }))
    }

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> RpcResult<pb::ListEventsResponse> {
        let (caller, _) = self.account(&request).await?;
        Ok(Response::new(self.own_events(&caller, &request.into_inner()).await?))
    }

    async fn get_json_web_key_set(
        &self,
        _: Request<pb::GetJsonWebKeySetRequest>,
    ) -> RpcResult<pb::GetJsonWebKeySetResponse> {
        let keys = self.keys.jwks()?.into_iter().map(convert::json_web_key).collect();
        Ok(Response::new(pb::GetJsonWebKeySetResponse { keys }))
    }
}
