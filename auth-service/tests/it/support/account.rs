//! Calls of users and administrators about accounts.

use proto::auth::v1::{self as pb, admin_service_client::AdminServiceClient};
use test_support::with_token;
use tonic::Status;

use super::{App, Login};

impl App {
    /// Registers an administrator and logs them in.
    pub(crate) async fn new_admin(&self, username: &str) -> Login {
        self.register(username).await;
        let sql =
            format!("update auth.users set roles = '{{admin}}' where username = '{username}'");
        self.database.execute(sql).await;
        self.begin_session(username).await
    }

    /// Creates a reset token for a user.
    pub(crate) async fn reset_token(
        &self,
        admin: &Login,
        user_id: &str,
    ) -> Result<pb::CreatePasswordResetTokenResponse, Status> {
        let request = pb::CreatePasswordResetTokenRequest { user_id: user_id.to_owned() };
        let request = with_token(&admin.tokens.access_token, request);
        let mut client = AdminServiceClient::new(self.service.channel());
        Ok(client.create_password_reset_token(request).await?.into_inner())
    }

    pub(crate) async fn reset_totp(&self, admin: &Login, user_id: &str) -> Result<(), Status> {
        let request = pb::ResetUserTotpRequest { user_id: user_id.to_owned() };
        let request = with_token(&admin.tokens.access_token, request);
        AdminServiceClient::new(self.service.channel()).reset_user_totp(request).await.map(drop)
    }

    pub(crate) async fn reset_password(
        &self,
        reset_token: &str,
        new_password: &str,
    ) -> Result<(), Status> {
        let (reset_token, new_password) = (reset_token.to_owned(), new_password.to_owned());
        let request = pb::ResetPasswordRequest { reset_token, new_password };
        self.client().reset_password(request).await.map(drop)
    }
}

impl Login {
    pub(crate) async fn rename(&self, username: &str, password: &str) -> Result<pb::User, Status> {
        let (username, current_password) = (username.to_owned(), password.to_owned());
        let request = self.request(pb::UpdateCurrentUserRequest { username, current_password });
        let answer = self.client.clone().update_current_user(request).await?;
        Ok(answer.into_inner().user.expect("a user is returned"))
    }

    pub(crate) async fn delete_account(
        &self,
        password: &str,
    ) -> Result<pb::DeleteCurrentUserResponse, Status> {
        let current_password = password.to_owned();
        let request = self.request(pb::DeleteCurrentUserRequest { current_password });
        Ok(self.client.clone().delete_current_user(request).await?.into_inner())
    }
}
