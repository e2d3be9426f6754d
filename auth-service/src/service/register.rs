//! Registration, idempotent by `request_id`.

use proto::auth::v1 as pb;
use shared::error::Error;
use uuid::Uuid;

use super::{Auth, convert};
use crate::{
    domain::{
        password::{Password, PasswordHash},
        session::Source,
        user::{User, Username},
    },
    events::{Entry, Event},
    hashing::Verified,
    store::users,
    throttle::Registration,
};

impl Auth {
    /// Creates a user. If the same request has created one before, returns that one.
    pub(super) async fn register_once(
        &self,
        req: pb::RegisterRequest,
        source: &Source,
    ) -> Result<User, Error> {
        let mut reserved = self.throttles.register(source)?;
        reserved.iter_mut().for_each(Registration::count_choice);
        let address = source.ip_address;
        let hash = self.hashing.hash_chosen(address, req.password.clone(), &req.username).await?;
        let (username, hash, request_id) = convert::registration(&req, hash)?;
        // Before the statement: if the caller goes away now, the user may still be created.
        reserved.iter_mut().for_each(Registration::count_user);
        match users::insert(&self.db, &username, &hash, request_id).await {
            Ok(user) => {
                let entry = Entry::of_user(Event::Registered, user.id, source);
                self.events.record(&Entry { username: Some(&user.username), ..entry });
                Ok(user)
            }
            Err(unavailable @ Error::DatabaseUnavailable(_)) => {
                reserved.iter_mut().for_each(Registration::release_user);
                Err(unavailable)
            }
            Err(error) => {
                self.registered_before(&username, req.password, request_id, source, error).await
            }
        }
    }

    /// The user that the same request registered before.
    ///
    /// # Errors
    /// `error`, the reason why no user was created, unless the request id belongs to another
    /// request: then [`Error::RequestIdReused`].
    async fn registered_before(
        &self,
        username: &Username,
        password: String,
        request_id: Option<Uuid>,
        source: &Source,
        error: Error,
    ) -> Result<User, Error> {
        let (Error::UsernameTaken | Error::RequestIdReused, Some(id)) = (&error, request_id) else {
            return Err(error);
        };
        let Some(before) = users::find_by_register_request(&self.db, id).await? else {
            return Err(error);
        };
        let guess = self.throttles.login(username, source)?;
        let ticket = self.hashing.admit(source.ip_address)?;
        let password = Password::typed(password);
        // A different name never matches, after the same time. The guess counts for the name in
        // this request, so the password of another account does not clear that name's guesses.
        let is_same = before.user.username == *username;
        let stored = is_same.then(|| PasswordHash::of(&before)).flatten();
        match self.hashing.verify(ticket, guess, password, stored).await? {
            Verified::Right { .. } => Ok(before.user),
            Verified::Wrong => Err(Error::RequestIdReused),
        }
    }
}
