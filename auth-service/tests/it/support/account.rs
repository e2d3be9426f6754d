//! Calls of users and administrators about accounts.

use proto::auth::v1 as pb;
use tonic::Status;

use super::{Admin, App, Login};

impl App {
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

impl Admin {
    /// Creates a reset token for a user.
    pub(crate) async fn reset_token(
        &self,
        user_id: &str,
    ) -> Result<pb::CreatePasswordResetTokenResponse, Status> {
        let request = pb::CreatePasswordResetTokenRequest { user_id: user_id.to_owned() };
        let request = self.request(request);
        Ok(self.client.clone().create_password_reset_token(request).await?.into_inner())
    }

    pub(crate) async fn reset_totp(&self, user_id: &str) -> Result<(), Status> {
        let request = pb::ResetUserTotpRequest { user_id: user_id.to_owned() };
        self.client.clone().reset_user_totp(self.request(request)).await.map(drop)
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
