//! What an access token contains (RFC 9068).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The `typ` header of an access token (RFC 9068).
pub const TOKEN_TYPE: &str = "at+jwt";

/// The longest accepted lifetime of a token, `exp` − `iat`.
pub const MAX_LIFETIME: Duration = Duration::from_mins(15);

/// The claims of an access token (RFC 9068). All are required.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The audience.
    pub aud: Audience,
    /// The subject: the user.
    pub sub: UserId,
    /// The session that issued the token.
    pub sid: SessionId,
    /// When the token was issued, in seconds since 1970.
    pub iat: i64,
    /// The start of its validity, in seconds since 1970.
    pub nbf: i64,
    /// The end of its validity, in seconds since 1970.
    pub exp: i64,
    /// The token's id, unique for its issuer.
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
    pub(crate) fn includes(&self, name: &str) -> bool {
        match self {
            Self::One(one) => one == name,
            Self::Several(several) => several.iter().any(|one| one == name),
        }
    }
}

/// A user: the `sub` claim of their access tokens, and the owner of their tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(pub Uuid);

/// A session, which begins with a login: the `sid` claim of the access tokens that it issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Uuid);

impl From<Uuid> for UserId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<Uuid> for SessionId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl UserId {
    /// A new UUIDv7: later ids sort later, so that inserts stay local in an index.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl SessionId {
    /// A new UUIDv7.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
