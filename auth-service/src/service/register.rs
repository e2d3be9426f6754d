//! Registration, which may be repeated.

use proto::auth::v1 as pb;
use shared::{error::Error, time};
use uuid::Uuid;

use super::{Auth, convert};
use crate::{
    domain::{
        password::{Password, PasswordHash},
        session::Source,
        user::User,
    },
    events::{self, Event},
    hashing::Verified,
    store::users,
    throttle::Registration,
};

impl Auth {
    /// Creates a user, unless the same request did so before: then finds them.
    pub(super) async fn register_once(
        &self,
        req: pb::RegisterRequest,
        source: &Source,
    ) -> Result<User, Error> {
        let mut reserved = self.throttles.register(source)?;
        reserved.iter_mut().for_each(Registration::choose);
        let address = source.ip_address;
        let hash = self.hashing.hash_chosen(address, req.password.clone(), &req.username).await?;
        let (username, hash, request_id) = convert::registration(&req, hash)?;
        let user = User::new(username, time::now());
        // Before the statement: a caller who goes away now may have registered.
        reserved.iter_mut().for_each(Registration::keep);
        match users::insert(&self.db, &user, &hash, request_id).await {
            Ok(()) => {
                events::record(Event::Registered, Some(user.id), None, source);
                Ok(user)
            }
            Err(away @ Error::DatabaseUnavailable(_)) => {
                reserved.iter_mut().for_each(Registration::give_back);
                Err(away)
            }
            Err(refused) => {
                self.registered_before(&user, req.password, request_id, source, refused).await
            }
        }
    }

    /// The user whom the same request registered before; otherwise why it was `refused`, or that
    /// its id was used for another.
    async fn registered_before(
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
        let place = self.hashing.enter(source.ip_address)?;
        let password = Password::typed(password);
        // Another name never fits, and takes as long to find out: a guess counts for the name that
        // was typed, and to know another account's password clears none of those.
        let is_same = before.user.username == user.username;
        let stored = is_same.then(|| PasswordHash::of(&before)).flatten();
        match self.hashing.verify(place, guess, password, stored).await? {
            Verified::Right { .. } => Ok(before.user),
            Verified::Wrong => Err(Error::RequestIdReused),
        }
    }
}
