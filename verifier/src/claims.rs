//! What an access token contains (RFC 9068).

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The `typ` header of an access token (RFC 9068).
pub const TOKEN_TYPE: &str = "at+jwt";

/// The longest accepted lifetime of a token, `exp` − `iat`.
pub const MAX_LIFETIME: Duration = Duration::from_mins(15);

/// The claims of an access token (RFC 9068) that Tandem's auth-service issues.
#[derive(Debug, Serialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The audience.
    pub aud: String,
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
    /// The roles of the user (RFC 9068, section 2.2.3.1). Absent without roles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// Reads an id: a UUID in any text form that `uuid` reads, in any case. Compare ids after parsing.
/// `None` for other text, and for the nil and the max UUID (RFC 9562, sections 5.9 and 5.10), which
/// client libraries use as default values.
#[must_use]
pub fn parse_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| !id.is_nil() && !id.is_max())
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
