//! The RPCs of `tandem.auth.v1.AuthService`, one function each.

use std::{sync::Arc, time::Duration};

use proto::auth::v1::{self as pb, auth_service_server::AuthService};
use shared::{
    auth::{self, Verifier},
    db::{Pools, WorkerPool},
    error::{Error, RpcResult},
    page::{self, PageTokenKey},
    time,
};
use tandem_server::metrics::Metrics;
use tonic::{Request, Response, codegen::http::HeaderMap};

use crate::{
    config::Config,
    domain::{
        client_address::TrustedProxies,
        password::PasswordHash,
        session::{Caller, Cursor, NewSession, Session, SessionPolicy, Source},
        user::Account,
    },
    events::{self, Event},
    hashing::{Hashing, Verified},
    keys::SigningKeys,
    service::tokens::Tokens,
    store::{sessions, users},
    throttle::Throttles,
};

mod admin;
mod convert;
pub(crate) mod jwks;
mod register;
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
}

impl Auth {
    /// The state for the first worker.
    pub(crate) fn new(
        pools: Pools,
        keys: Arc<SigningKeys>,
        config: &Config,
        metrics: &Metrics,
    ) -> Self {
        let page_token_key = config.root_key.get().derive("tandem: page tokens, v1");
        Self {
            db: pools.of_worker(0),
            pools,
            hashing: Arc::new(Hashing::new(&config.login, metrics)),
            throttles: Arc::new(Throttles::new(&config.throttle, metrics)),
            proxies: config.throttle.trusted_proxies.clone(),
            verifier: Arc::new(Verifier::new(keys.verifying(), (&config.token).into())),
            tokens: Arc::new(Tokens::new(keys.clone(), config)),
            keys,
            sessions: config.session.policy(),
            deleted_user_retention: config.accounts.deleted_user_retention,
            page_tokens: Arc::new(PageTokenKey::new(&*page_token_key)),
        }
    }

    /// The same state with the connections of another worker.
    pub(crate) fn of_worker(&self, worker: usize) -> Self {
        Self { db: self.pools.of_worker(worker), ..self.clone() }
    }

    /// Begins a session for a user whose password was verified, and issues its first tokens. Stores
    /// `upgrade`, if there is one.
    async fn begin_session(
        &self,
        session: &NewSession,
        account: &Account,
        upgrade: Option<PasswordHash>,
    ) -> Result<pb::TokenPair, Error> {
        let active = sessions::insert(&self.db, session, account, self.sessions).await?;
        if let Some(hash) = upgrade {
            users::upgrade_hash(&self.db, account, &hash).await?;
        }
        self.tokens.issue(active, time::now())
    }

    /// The address and user agent of the client.
    fn source<T>(&self, request: &Request<T>) -> Source {
        convert::source(request, &self.proxies)
    }

    /// The user, the session and the roles of the access token.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<auth::Caller, Error> {
        if self.verifier.is_key_unknown(headers) {
            self.keys.refresh_for_unknown_kid().await;
        }
        Ok(self.verifier.authenticate(headers, time::now())?)
    }

    /// The caller, according to the access token alone.
    async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Error> {
        // The layer before AdminService has verified the token already.
        let caller = match request.extensions().get::<auth::Caller>() {
            Some(caller) => caller.clone(),
            None => self.authenticate(request.metadata().as_ref()).await?,
        };
        let session_id = caller.session_id.ok_or(auth::Error::TokenInvalid("sid"))?;
        Ok(Caller { id: caller.id, session_id })
    }

    /// The caller and their account, if the session has not ended.
    async fn account<T>(&self, request: &Request<T>) -> Result<(Caller, Account), Error> {
        let caller = self.caller(request).await?;
        let found = users::find_by_session(&self.db, &caller).await?;
        Ok((caller, found.ok_or(auth::Error::TokenInvalid("session"))?))
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
        let (username, password) = convert::credentials(request.into_inner())?;
        let guess = self.throttles.login(&username, &source)?;
        let ticket = self.hashing.admit(source.ip_address)?;
        let found = users::find_by_username(&self.db, &username).await?;
        let hash = found.as_ref().and_then(PasswordHash::of);
        let verified = self.hashing.verify(ticket, guess, password, hash).await?;
        let user_id = found.as_ref().map(|account| account.user.id);
        let (Some(account), Verified::Right { upgrade }) = (found, verified) else {
            events::record(Event::LoginFailed, user_id, None, &source);
            return Err(Error::CredentialsInvalid.into());
        };
        let session = NewSession::begin(account.user.id, source.clone());
        let tokens = Some(self.begin_session(&session, &account, upgrade).await?);
        events::record(Event::LoginSucceeded, user_id, Some(session.id), &source);
        Ok(Response::new(pb::LoginResponse { tokens, user: Some(account.user.into()) }))
    }

    async fn refresh_token(
        &self,
        request: Request<pb::RefreshTokenRequest>,
    ) -> RpcResult<pb::RefreshTokenResponse> {
        let source = self.source(&request);
        let token = self.tokens.open(&request.get_ref().refresh_token)?;
        let active = sessions::refresh(&self.db, token, self.sessions).await;
        if let Err(Error::RefreshTokenReused) = active {
            events::record(Event::RefreshTokenReused, None, Some(token.session_id), &source);
        }
        let tokens = Some(self.tokens.issue(active?, time::now())?);
        Ok(Response::new(pb::RefreshTokenResponse { tokens }))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> RpcResult<pb::LogoutResponse> {
        let caller = self.caller(&request).await?;
        if sessions::delete(&self.db, caller.id, caller.session_id).await? {
            let source = self.source(&request);
            events::record(Event::LoggedOut, Some(caller.id), Some(caller.session_id), &source);
        }
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> RpcResult<pb::ChangePasswordResponse> {
        let (caller, account) = self.account(&request).await?;
        let source = self.source(&request);
        let req = request.into_inner();
        let mut guess = self.throttles.user(caller.id, &source)?;
        guess.count_choice();
        let username = account.user.username.to_string();
        let address = source.ip_address;
        let new = self.hashing.hash_chosen(address, req.new_password, &username).await?;
        let (current, new) = convert::password_change(req.current_password, new)?;
        let record = |event| {
            events::record(event, Some(caller.id), Some(caller.session_id), &source);
        };
        let (ticket, stored) = (self.hashing.admit(address)?, PasswordHash::of(&account));
        if let Verified::Wrong = self.hashing.verify(ticket, guess, current, stored).await? {
            record(Event::PasswordChangeFailed);
            return Err(Error::CurrentPasswordWrong.into());
        }
        let version = account.password_version;
        users::change_password(&self.db, &caller, version, &new).await?;
        record(Event::PasswordChanged);
        Ok(Response::new(pb::ChangePasswordResponse {}))
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
        events::record(Event::SessionRevoked, Some(caller.id), Some(id), &source);
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }

    async fn revoke_other_sessions(
        &self,
        request: Request<pb::RevokeOtherSessionsRequest>,
    ) -> RpcResult<pb::RevokeOtherSessionsResponse> {
        let (caller, _) = self.account(&request).await?;
        let revoked = sessions::delete_others(&self.db, caller.id, caller.session_id).await?;
        let source = self.source(&request);
        events::record(Event::OtherSessionsRevoked, Some(caller.id), None, &source);
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

    async fn get_json_web_key_set(
        &self,
        _: Request<pb::GetJsonWebKeySetRequest>,
    ) -> RpcResult<pb::GetJsonWebKeySetResponse> {
        let keys = self.keys.jwks()?.into_iter().map(convert::json_web_key).collect();
        Ok(Response::new(pb::GetJsonWebKeySetResponse { keys }))
    }
}
