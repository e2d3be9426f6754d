//! The caller of a call, and the interceptor that authenticates it.

use std::sync::Arc;

use chrono::Utc;
use tonic::{Request, Status, service::Interceptor};

use crate::{Error, SessionId, UserId, Verifier};

/// The authenticated caller of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user: the token's `sub`.
    pub id: UserId,
    /// The session that issued the token: its `sid`, if that is a UUID.
    pub session_id: Option<SessionId>,
}

impl Caller {
    /// The caller that the [`interceptor`] authenticated. Fails closed: without the interceptor
    /// every request is unauthenticated.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Error> {
        request.extensions().get().copied().ok_or(Error::TokenMissing)
    }
}

/// Rejects a call without a valid access token, and otherwise adds its [`Caller`] to the request's
/// extensions. An outer layer may have added the caller already; clients cannot set extensions.
///
/// An interceptor is synchronous, so it does not fetch keys: a token of a key that was published
/// after the last refresh is rejected until the next. A layer that awaits
/// [`JwksClient::authenticate`](crate::JwksClient::authenticate) fetches them at once.
pub fn interceptor(verifier: Arc<Verifier>) -> impl Interceptor + Clone {
    move |mut request: Request<()>| -> Result<Request<()>, Status> {
        if request.extensions().get::<Caller>().is_none() {
            #[expect(clippy::disallowed_methods, reason = "tokens count seconds, not microseconds")]
            let caller = verifier.authenticate(request.metadata().as_ref(), Utc::now())?;
            request.extensions_mut().insert(caller);
        }
        Ok(request)
    }
}
