//! A registration that came before: whether the caller may have its answer again.

use shared::error::Error;
use uuid::Uuid;

use super::Auth;
use crate::{
    domain::{
        password::{Password, PasswordHash},
        session::Source,
        user::User,
    },
    hashing::Verified,
    store::users,
};

impl Auth {
    /// The user whom the same request registered before; otherwise why it was `refused`, or that
    /// its id was used for another.
    pub(super) async fn registered_before(
        &self,
        user: &User,
        password: String,
        request_id: Option<Uuid>,
        source: &Source,
        refused: Error,
    ) -> Result<User, Error> {
        let (Error::UsernameTaken | Error::RequestIdReused, Some(id)) = (&refused, request_id)
        else {
            return Err(refused);
        };
        let Some(before) = users::find_by_register_request(&self.db, id).await? else {
            return Err(refused);
        };
        let guess = self.throttles.login(&user.username.to_string(), source)?;
        let (place, password) = (self.hashing.enter()?, Password::typed(password));
        let stored = PasswordHash::of(&before);
        match self.hashing.verify(place, guess, password, stored).await? {
            Verified::Right { .. } if before.user.username == user.username => Ok(before.user),
            _ => Err(Error::RequestIdReused),
        }
    }
}
