//! The RPCs of `tandem.auth.v1.AdminService`, one function each.

use axum::{extract::Request as HttpRequest, middleware::Next, response::Response as HttpResponse};
use proto::auth::v1::{self as pb, admin_service_server::AdminService};
use shared::{
    error::{Error, RpcResult},
    ids::UserId,
    page,
};
use tonic::{Request, Response, Status};

use super::{Auth, SESSIONS_OF_USER, USERS};
use crate::{
    domain::{
        actor::Actor,
        role,
        session::{Caller, Cursor, Session},
        user::{Change, Target, User},
    },
    events::{self, Event},
    store::{
        sessions,
        users::{self, reset},
    },
};

pub(super) mod convert;
mod create;

impl Auth {
    /// Rejects a call whose access token is not of an administrator, before its body is received:
    /// anyone can register, and a batch is large. A change of the roles ends all sessions, so each
    /// token of a session that has not ended has the roles of its user.
    pub(crate) async fn require_admin_token(
        &self,
        mut request: HttpRequest,
        next: Next,
    ) -> HttpResponse {
        match self.authenticate(request.headers()).await {
            Ok(caller) if caller.roles.contains(role::ADMIN) => {
                request.extensions_mut().insert(caller);
                next.run(request).await
            }
            Ok(_) => Status::from(Error::AdminRequired).into_http(),
            Err(error) => Status::from(error).into_http(),
        }
    }

    /// The caller, if the session has not ended and the account has the role now.
    async fn administrator<T>(&self, request: &Request<T>) -> Result<Caller, Error> {
        let (caller, account) = self.account(request).await?;
        if account.user.roles.has_admin() { Ok(caller) } else { Err(Error::AdminRequired) }
    }

    /// The administrator as the actor of a change.
    async fn actor<T>(&self, request: &Request<T>) -> Result<Actor, Error> {
        let caller = self.administrator(request).await?;
        Ok(Actor::Administrator { caller, source: self.source(request) })
    }

    /// Changes a user and logs it.
    pub(super) async fn change(
        &self,
        actor: &Actor,
        target: Target,
        change: &Change,
    ) -> Result<User, Error> {
        let retention = self.deleted_user_retention;
        let changed = users::change(&self.db, actor, target, change, retention).await?;
        for event in &changed.events {
            events::log_change(event, target.id, actor);
        }
        Ok(changed.user)
    }
}

#[tonic::async_trait]
impl AdminService for Auth {
    async fn list_users(
        &self,
        request: Request<pb::ListUsersRequest>,
    ) -> RpcResult<pb::ListUsersResponse> {
        let caller = self.administrator(&request).await?;
        let mut req = request.into_inner();
        let token = std::mem::take(&mut req.page_token);
        let (page_size, wanted) = convert::user_list(req)?;
        let name = format!("{USERS} {}", serde_json::to_string(&wanted).expect("it is plain data"));
        let cursor = self.page_tokens.open(caller.id, &name, &token)?;
        let limit = page_size.get() + 1;
        let users = users::list(&self.db, &wanted, cursor.as_ref(), limit).await?;
        let (users, has_more) = page::cut(users, page_size, User::bytes);
        let last = users.last().filter(|_| has_more).map(|user| wanted.order.cursor(user));
        let next = last.map(|cursor| self.page_tokens.seal(caller.id, &name, &cursor));
        Ok(Response::new(pb::ListUsersResponse {
            users: users.into_iter().map(Into::into).collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn get_user(
        &self,
        request: Request<pb::GetUserRequest>,
    ) -> RpcResult<pb::GetUserResponse> {
        self.administrator(&request).await?;
        let found = match convert::user_key(request.get_ref())? {
            convert::UserKey::Id(id) => users::find(&self.db, id).await?,
            convert::UserKey::Username(name) => users::find_by_username(&self.db, &name).await?,
        };
        let user = found.ok_or(Error::UserNotFound)?.user;
        Ok(Response::new(pb::GetUserResponse { user: Some(user.into()) }))
    }

    async fn create_user(
        &self,
        request: Request<pb::CreateUserRequest>,
    ) -> RpcResult<pb::CreateUserResponse> {
        let actor = self.actor(&request).await?;
        let source = self.source(&request).ip_address;
        let user = self.create_one(&actor, source, request.into_inner()).await?;
        Ok(Response::new(pb::CreateUserResponse { user: Some(user.into()) }))
    }

    async fn batch_create_users(
        &self,
        request: Request<pb::BatchCreateUsersRequest>,
    ) -> RpcResult<pb::BatchCreateUsersResponse> {
        let actor = self.actor(&request).await?;
        let source = self.source(&request).ip_address;
        let users = self.create_batch(&actor, source, request.into_inner()).await?;
        let users = users.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::BatchCreateUsersResponse { users }))
    }

    async fn update_user(
        &self,
        request: Request<pb::UpdateUserRequest>,
    ) -> RpcResult<pb::UpdateUserResponse> {
        let actor = self.actor(&request).await?;
        let (target, change) = convert::update(request.into_inner())?;
        let user = self.change(&actor, target, &change).await?;
        Ok(Response::new(pb::UpdateUserResponse { user: Some(user.into()) }))
    }

    async fn delete_user(
        &self,
        request: Request<pb::DeleteUserRequest>,
    ) -> RpcResult<pb::DeleteUserResponse> {
        let actor = self.actor(&request).await?;
        let target = convert::target(request.get_ref())?;
        let delete = Change { deleted: Some(true), ..Change::default() };
        let user = self.change(&actor, target, &delete).await?;
        Ok(Response::new(pb::DeleteUserResponse { user: Some(user.into()) }))
    }

    async fn undelete_user(
        &self,
        request: Request<pb::UndeleteUserRequest>,
    ) -> RpcResult<pb::UndeleteUserResponse> {
        let actor = self.actor(&request).await?;
        let id = convert::user_id(&request.get_ref().user_id)?;
        let undelete = Change { deleted: Some(false), ..Change::default() };
        let user = self.change(&actor, Target { id, etag: None }, &undelete).await?;
        Ok(Response::new(pb::UndeleteUserResponse { user: Some(user.into()) }))
    }

    async fn list_user_sessions(
        &self,
        request: Request<pb::ListUserSessionsRequest>,
    ) -> RpcResult<pb::ListUserSessionsResponse> {
        let caller = self.administrator(&request).await?;
        let req = request.into_inner();
        let (user_id, page_size) = convert::user_sessions(&req)?;
        let name = format!("{SESSIONS_OF_USER} {user_id}");
        let cursor = self.page_tokens.open(caller.id, &name, &req.page_token)?;
        let cursor = cursor.unwrap_or(Cursor::START);
        let limit = page_size.get() + 1;
        let sessions = sessions::list(&self.db, user_id, cursor, limit).await?;
        if sessions.is_empty() {
            self.find_user(user_id).await?;
        }
        let (sessions, has_more) = page::cut(sessions, page_size, Session::bytes);
        let last = sessions.last().filter(|_| has_more).map(Session::cursor);
        let next = last.map(|cursor| self.page_tokens.seal(caller.id, &name, &cursor));
        let sessions = sessions.into_iter().map(|s| super::convert::session(s, &caller));
        Ok(Response::new(pb::ListUserSessionsResponse {
            sessions: sessions.collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn revoke_user_sessions(
        &self,
        request: Request<pb::RevokeUserSessionsRequest>,
    ) -> RpcResult<pb::RevokeUserSessionsResponse> {
        let actor = self.actor(&request).await?;
        let user_id = convert::user_id(&request.get_ref().user_id)?;
        let revoked = users::revoke_sessions(&self.db, &actor, user_id).await?;
        events::log_change(&Event::UserSessionsRevoked.name(), user_id, &actor);
        let revoked_count = revoked.try_into().unwrap_or(i32::MAX);
        Ok(Response::new(pb::RevokeUserSessionsResponse { revoked_count }))
    }

    async fn create_password_reset_token(
        &self,
        request: Request<pb::CreatePasswordResetTokenRequest>,
    ) -> RpcResult<pb::CreatePasswordResetTokenResponse> {
        let actor = self.actor(&request).await?;
        let user_id = convert::user_id(&request.get_ref().user_id)?;
        Ok(Response::new(self.create_reset_token(&actor, user_id).await?))
    }

    async fn reset_user_totp(
        &self,
        request: Request<pb::ResetUserTotpRequest>,
    ) -> RpcResult<pb::ResetUserTotpResponse> {
        let actor = self.actor(&request).await?;
        let user_id = convert::user_id(&request.get_ref().user_id)?;
        reset::reset_totp(&self.db, &actor, user_id).await?;
        events::log_change(&Event::TotpReset.name(), user_id, &actor);
        Ok(Response::new(pb::ResetUserTotpResponse {}))
    }

    async fn list_events(
        &self,
        request: Request<pb::AdminServiceListEventsRequest>,
    ) -> RpcResult<pb::AdminServiceListEventsResponse> {
        let caller = self.administrator(&request).await?;
        Ok(Response::new(self.all_events(&caller, request.into_inner()).await?))
    }
}

impl Auth {
    async fn find_user(&self, id: UserId) -> Result<User, Error> {
        Ok(users::find(&self.db, id).await?.ok_or(Error::UserNotFound)?.user)
    }
}
