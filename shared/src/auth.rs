//! Access tokens: what they say, how they are verified, and whom they make the caller.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tonic::{Request, Status, service::Interceptor};

use crate::{
    error::Error,
    ids::{SessionId, UserId},
    time,
};

mod key_set;
mod seen;
mod verifier;

pub use key_set::{InvalidKeySet, Jwk, KeySet, Keys};
pub use verifier::Verifier;

/// The `typ` header of an access token (RFC 9068).
pub const TOKEN_TYPE: &str = "at+jwt";

/// A token that is made to live longer is refused.
pub const MAX_LIFETIME: Duration = Duration::from_mins(15);

/// The claims of an access token (RFC 9068). Every one is required.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// Whom it is meant for.
    pub aud: Audience,
    /// Whom it speaks for.
    pub sub: UserId,
    /// The login that it comes from.
    pub sid: SessionId,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// From when on it is good, in seconds since 1970.
    pub nbf: i64,
    /// From when on it is not, in seconds since 1970.
    pub exp: i64,
    /// The token's own id.
    pub jti: String,
}

/// One recipient or several (RFC 7519, section 4.1.3).
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// `"aud": "tandem"`
    One(String),
    /// `"aud": ["tandem", "billing"]`
    Several(Vec<String>),
}

impl Audience {
    fn includes(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(several) => several.iter().any(|one| one == name),
        }
    }
}

/// Who makes a call, proved by their access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub id: UserId,
    /// The login that the token comes from.
    pub session_id: SessionId,
}

impl Caller {
    /// The caller whom the [`interceptor`] found. A service that is not behind it has no callers,
    /// so that a forgotten interceptor denies.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Error> {
        request.extensions().get().copied().ok_or(Error::AccessTokenMissing)
    }
}

/// Lets a call pass if it carries a good access token, and tells the handler who calls. A layer
/// before it may have found that out: nobody outside can say so.
pub fn interceptor(verifier: Arc<Verifier>) -> impl Interceptor + Clone {
    move |mut request: Request<()>| -> Result<Request<()>, Status> {
        if request.extensions().get::<Caller>().is_none() {
            let caller = verifier.authenticate(request.metadata().as_ref(), time::now())?;
            request.extensions_mut().insert(caller);
        }
        Ok(request)
    }
}
