//! Between the wire's types and the domain's.

use proto::auth::v1 as pb;
use shared::{
    auth::Jwk,
    error::{FieldViolations, Invalid},
    time,
};

use crate::domain::{
    password::Password,
    user::{User, Username},
};

/// The name and password of somebody who wants to register.
pub(super) fn registration(
    request: pb::RegisterRequest,
) -> Result<(Username, Password), FieldViolations> {
    let mut bad = FieldViolations::new();
    let pb::RegisterRequest { username, password } = request;
    let name = bad.check("username", Username::parse(&username));
    let password = bad.check("password", Password::choose(password, &username));
    let (Some(name), Some(password)) = (name, password) else { return Err(bad) };
    Ok((name, password))
}

/// What somebody typed to log in. A name that nobody can have is no mistake but a wrong name.
pub(super) fn credentials(
    request: pb::LoginRequest,
) -> Result<(Option<Username>, Password), FieldViolations> {
    let mut bad = FieldViolations::new();
    let pb::LoginRequest { username, password } = request;
    let username = bad.check("username", not_empty(username));
    let password = bad.check("password", not_empty(password));
    let (Some(username), Some(password)) = (username, password) else { return Err(bad) };
    Ok((Username::parse(&username).ok(), Password::typed(password)))
}

fn not_empty(text: String) -> Result<String, Invalid> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text) }
}

/// A time in seconds since 1970.
pub(super) fn seconds(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

impl From<User> for pb::User {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            create_time: Some(time::timestamp(user.create_time)),
            update_time: Some(time::timestamp(user.update_time)),
        }
    }
}

/// A public key.
pub(super) fn json_web_key(jwk: Jwk) -> pb::JsonWebKey {
    pb::JsonWebKey {
        kty: jwk.kty,
        crv: jwk.crv.unwrap_or_default(),
        x: jwk.x.unwrap_or_default(),
        y: jwk.y.unwrap_or_default(),
        kid: jwk.kid.unwrap_or_default(),
        r#use: jwk.use_.unwrap_or_default(),
        alg: jwk.alg.unwrap_or_default(),
    }
}
