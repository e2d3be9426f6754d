//! What users do to their own account besides its password and its second factor.

use chrono::{DateTime, Utc};
use proto::auth::v1 as pb;
use shared::error::Error;

use super::{Auth, convert};
use crate::{
    domain::{
        actor::Actor,
        session::{Caller, Source},
        user::{Account, Change, Target, User},
    },
    throttle::Registration,
};

impl Auth {
    /// Changes the caller's username.
    pub(super) async fn rename(
        &self,
        caller: Caller,
        account: &Account,
        req: pb::UpdateCurrentUserRequest,
        source: Source,
    ) -> Result<User, Error> {
        let (username, password) = convert::renaming(req)?;
        // Taken names are found no faster than by registrations.
        let mut reserved = self.throttles.register(&source)?;
        self.check_current_password(&caller, account, password, &source).await?;
        let change = Change { username: Some(username), ..Change::default() };
        let renamed = self.change_own(caller, account, &change, source).await;
        if let Err(Error::UsernameTaken) = renamed {
            reserved.iter_mut().for_each(Registration::count_user);
        }
        renamed
    }

    /// Deletes the caller's account. Returns when it is purged.
    pub(super) async fn delete_own(
        &self,
        caller: Caller,
        account: &Account,
        req: pb::DeleteCurrentUserRequest,
        source: Source,
    ) -> Result<Option<DateTime<Utc>>, Error> {
        let password = convert::current_password(req.current_password)?;
        self.check_current_password(&caller, account, password, &source).await?;
        let delete = Change { deleted: Some(true), ..Change::default() };
        Ok(self.change_own(caller, account, &delete, source).await?.purge_time)
    }

    /// Changes the account whose password was checked, unless it has changed since.
    async fn change_own(
        &self,
        caller: Caller,
        account: &Account,
        change: &Change,
        source: Source,
    ) -> Result<User, Error> {
        let target = Target { id: caller.id, etag: Some(account.user.etag()) };
        let changed = self.change(&Actor::User { caller, source }, target, change).await;
        match changed {
            Err(Error::EtagMismatch { .. } | Error::UserDeleted | Error::UserNotFound) => {
                Err(Error::Conflict("another call changed the account".into()))
            }
            changed => changed,
        }
    }
}
