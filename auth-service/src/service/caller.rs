//! The caller of a call: the client, the access token, the session and the account.

use shared::{auth, error::Error, time};
use tonic::{Request, codegen::http::HeaderMap};

use super::{Auth, convert};
use crate::{
    domain::{
        session::{Caller, Source},
        user::Account,
    },
    store::users,
};

impl Auth {
    /// The address and user agent of the client.
    pub(super) fn source<T>(&self, request: &Request<T>) -> Source {
        convert::source(request, &self.proxies)
    }

    /// The user, the session and the roles of the access token.
    pub(super) async fn authenticate(&self, headers: &HeaderMap) -> Result<auth::Caller, Error> {
        if self.verifier.is_key_unknown(headers) {
            self.keys.refresh_for_unknown_kid().await;
        }
        Ok(self.verifier.authenticate(headers, time::now())?)
    }

    /// The caller, according to the access token alone.
    pub(super) async fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Error> {
        // The layer before AdminService has verified the token already.
        let caller = match request.extensions().get::<auth::Caller>() {
            Some(caller) => caller.clone(),
            None => self.authenticate(request.metadata().as_ref()).await?,
        };
        let session_id = caller.session_id.ok_or(auth::Error::TokenInvalid("sid"))?;
        Ok(Caller { id: caller.id, session_id })
    }

    /// The caller and their account, if the session has not ended.
    pub(super) async fn account<T>(
        &self,
        request: &Request<T>,
    ) -> Result<(Caller, Account), Error> {
        let caller = self.caller(request).await?;
        let found = users::find_by_session(&self.db, &caller).await?;
        Ok((caller, found.ok_or(auth::Error::TokenInvalid("session"))?))
    }

    /// Like [`account`](Self::account), with the client.
    pub(super) async fn account_from<T>(
        &self,
        request: &Request<T>,
    ) -> Result<(Caller, Account, Source), Error> {
        let (caller, account) = self.account(request).await?;
        Ok((caller, account, self.source(request)))
    }
}
