//! The caller of a call, and the interceptor that authenticates it.

use std::sync::Arc;

use chrono::Utc;
use serde_json::Value;
use tonic::{Request, Status, service::Interceptor};

use crate::{Error, SessionId, UserId, Verifier};

/// The authenticated caller of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user: the token's `sub`.
    pub id: UserId,
    /// The session that issued the token: its `sid`, if that is a UUID.
    pub session_id: Option<SessionId>,
    /// The user's roles when the token was issued: its `roles`.
    pub roles: Roles,
}

impl Caller {
    /// The caller that the [`interceptor`] authenticated. Fails closed: without the interceptor
    /// every request is unauthenticated.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Error> {
        request.extensions().get().cloned().ok_or(Error::TokenMissing)
    }
}

/// The texts in the `roles` claim of a token (RFC 9068, section 2.2.3.1). Other forms of the claim
/// grant no role: issuers beside Tandem's have used them, for example objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
// Most callers have no roles: cloning one of them touches no shared counter.
pub struct Roles(Option<Arc<[String]>>);

impl Roles {
    pub(crate) fn of_claim(claim: Option<&Value>) -> Self {
        let texts = claim.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }

    /// Whether this role, in exactly this spelling, is among them.
    #[must_use]
    pub fn contains(&self, role: &str) -> bool {
        self.iter().any(|granted| granted == role)
    }

    /// All roles, in the order of the claim.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|roles| roles.iter()).map(String::as_str)
    }
}

impl FromIterator<String> for Roles {
    fn from_iter<I: IntoIterator<Item = String>>(roles: I) -> Self {
        let roles: Vec<_> = roles.into_iter().collect();
        Self((!roles.is_empty()).then(|| roles.into()))
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
