//! An administrator, and calls with their token.

use proto::auth::v1::{
    self as pb, admin_service_client::AdminServiceClient, create_user_request::Credential,
    get_user_request::User as Key,
};
use test_support::with_token;
use tonic::{Status, transport::Channel};

use super::{App, Login, PASSWORD};

/// A logged-in administrator.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) client: AdminServiceClient<Channel>,
    pub(crate) login: Login,
    pub(crate) id: String,
}

impl App {
    /// Registers a user, makes them an administrator and logs them in.
    pub(crate) async fn new_admin(&self, username: &str) -> Admin {
        let user = self.register(username).await;
        let grant = format!("update auth.users set roles = '{{admin}}' where id = '{}'", user.id);
        self.database.execute(&grant).await;
        self.begin_admin_session(username).await
    }

    /// Logs an administrator in with [`PASSWORD`].
    pub(crate) async fn begin_admin_session(&self, username: &str) -> Admin {
        let login = self.begin_session(username).await;
        let current = self.current_user(&login.tokens.access_token).await;
        let user = current.expect("the session is alive").into_inner().user;
        let id = user.expect("a user is returned").id;
        Admin { client: self.admin_client(), login, id }
    }

    pub(crate) fn admin_client(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.service.channel())
    }
}

/// A user to create with [`PASSWORD`] and these roles.
pub(crate) fn new_user(username: &str, roles: &[&str]) -> pb::CreateUserRequest {
    let user = pb::User {
        username: username.to_owned(),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        ..Default::default()
    };
    let credential = Some(Credential::Password(PASSWORD.to_owned()));
    pb::CreateUserRequest { user: Some(user), credential, ..Default::default() }
}

/// A user to create with this hash.
pub(crate) fn imported_user(username: &str, hash: &str) -> pb::CreateUserRequest {
    let credential = Some(Credential::PasswordHash(hash.to_owned()));
    pb::CreateUserRequest { credential, ..new_user(username, &[]) }
}

impl Admin {
    /// A request with the administrator's token.
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        with_token(&self.login.tokens.access_token, message)
    }

    pub(crate) async fn create(&self, request: pb::CreateUserRequest) -> Result<pb::User, Status> {
        let answer = self.client.clone().create_user(self.request(request)).await?;
        Ok(answer.into_inner().user.expect("a user is returned"))
    }

    pub(crate) async fn create_batch(
        &self,
        requests: Vec<pb::CreateUserRequest>,
        request_id: &str,
    ) -> Result<Vec<pb::User>, Status> {
        let request_id = request_id.to_owned();
        let request = pb::BatchCreateUsersRequest { requests, request_id };
        let answer = self.client.clone().batch_create_users(self.request(request)).await?;
        Ok(answer.into_inner().users)
    }

    pub(crate) async fn get(&self, id: &str) -> Result<pb::User, Status> {
        self.get_by(Key::UserId(id.to_owned())).await
    }

    pub(crate) async fn get_by(&self, key: Key) -> Result<pb::User, Status> {
        let request = self.request(pb::GetUserRequest { user: Some(key) });
        let answer = self.client.clone().get_user(request).await?;
        Ok(answer.into_inner().user.expect("a user is returned"))
    }

    pub(crate) async fn list(
        &self,
        request: pb::ListUsersRequest,
    ) -> Result<pb::ListUsersResponse, Status> {
        Ok(self.client.clone().list_users(self.request(request)).await?.into_inner())
    }

    /// Updates the fields of these paths.
    pub(crate) async fn update(&self, user: pb::User, paths: &[&str]) -> Result<pb::User, Status> {
        let paths = paths.iter().map(|&path| path.to_owned()).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = pb::UpdateUserRequest { user: Some(user), update_mask };
        let answer = self.client.clone().update_user(self.request(request)).await?;
        Ok(answer.into_inner().user.expect("a user is returned"))
    }

    pub(crate) async fn set_roles(&self, id: &str, roles: &[&str]) -> Result<pb::User, Status> {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        let user = pb::User { id: id.to_owned(), roles, ..Default::default() };
        self.update(user, &["roles"]).await
    }

    pub(crate) async fn set_disabled(&self, id: &str, disabled: bool) -> Result<pb::User, Status> {
        let user = pb::User { id: id.to_owned(), disabled, ..Default::default() };
        self.update(user, &["disabled"]).await
    }

    pub(crate) async fn delete(&self, id: &str, etag: &str) -> Result<pb::User, Status> {
        let request = pb::DeleteUserRequest { user_id: id.to_owned(), etag: etag.to_owned() };
        let answer = self.client.clone().delete_user(self.request(request)).await?;
        Ok(answer.into_inner().user.expect("a user is returned"))
    }

    pub(crate) async fn undelete(&self, id: &str) -> Result<pb::User, Status> {
        let request = pb::UndeleteUserRequest { user_id: id.to_owned() };
        let answer = self.client.clone().undelete_user(self.request(request)).await?;
        Ok(answer.into_inner().user.expect("a user is returned"))
    }

    pub(crate) async fn sessions(
        &self,
        request: pb::ListUserSessionsRequest,
    ) -> Result<pb::ListUserSessionsResponse, Status> {
        Ok(self.client.clone().list_user_sessions(self.request(request)).await?.into_inner())
    }

    pub(crate) async fn revoke_sessions(&self, id: &str) -> Result<i32, Status> {
        let request = self.request(pb::RevokeUserSessionsRequest { user_id: id.to_owned() });
        Ok(self.client.clone().revoke_user_sessions(request).await?.into_inner().revoked_count)
    }
}
