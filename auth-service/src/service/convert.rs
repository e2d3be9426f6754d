//! Conversions between wire types and domain types.

use std::net::Ipv6Addr;

use proto::auth::v1 as pb;
use shared::{
    auth::Jwk,
    error::{FieldViolations, Invalid},
    ids::{self, SessionId},
    page::PageSize,
    time,
};
use tonic::Request;
use uuid::Uuid;

use crate::domain::{
    client_address::TrustedProxies,
    password::{Password, PasswordHash},
    session::{Caller, Session, Source, UserAgent},
    user::{User, Username},
};

/// The name and password hash of a registration, and the request id.
pub(super) fn registration(
    request: &pb::RegisterRequest,
    password: Result<PasswordHash, Invalid>,
) -> Result<(Username, PasswordHash, Option<Uuid>), FieldViolations> {
    let mut bad = FieldViolations::new();
    let username = bad.check("username", Username::choose(&request.username));
    let hash = bad.check("password", password);
    let request_id = bad.check("request_id", ids::parse_request_id(&request.request_id));
    match (username, hash, request_id) {
        (Some(username), Some(hash), Some(request_id)) => Ok((username, hash, request_id)),
        _ => Err(bad),
    }
}

/// The name and password of a login.
pub(super) fn credentials(
    request: pb::LoginRequest,
) -> Result<(Username, Password), FieldViolations> {
    let mut bad = FieldViolations::new();
    let pb::LoginRequest { username, password } = request;
    let username = bad.check("username", Username::parse(&username));
    let password = bad.check("password", not_empty(password));
    let (Some(username), Some(password)) = (username, password) else { return Err(bad) };
    Ok((username, Password::typed(password)))
}

fn not_empty(text: String) -> Result<String, Invalid> {
    if text.is_empty() { Err("must not be empty".into()) } else { Ok(text) }
}

/// The current password and the hash of the new one.
pub(super) fn password_change(
    current: String,
    new: Result<PasswordHash, Invalid>,
) -> Result<(Password, PasswordHash), FieldViolations> {
    let mut bad = FieldViolations::new();
    let current = bad.check("current_password", not_empty(current));
    let new = bad.check("new_password", new);
    let (Some(current), Some(new)) = (current, new) else { return Err(bad) };
    Ok((Password::typed(current), new))
}

/// The address and user agent of the client.
pub(super) fn source<T>(request: &Request<T>, proxies: &TrustedProxies) -> Source {
    let peer = request.remote_addr().map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| peer.ip());
    // Lossily: what a client sent in another encoding must not hide what the proxy added.
    let header = |name| {
        let values = request.metadata().get_all(name).into_iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(",")
    };
    let (x_forwarded_for, forwarded) = (header("x-forwarded-for"), header("forwarded"));
    let is_forwarded = !(x_forwarded_for.is_empty() && forwarded.is_empty());
    Source {
        user_agent: UserAgent::printable(&header("user-agent")),
        ip_address: proxies.client(peer, &x_forwarded_for, &forwarded),
        is_local: peer.to_canonical().is_loopback() && !is_forwarded,
    }
}

/// The session id of a request.
pub(super) fn session_id(text: &str) -> Result<SessionId, FieldViolations> {
    let mut bad = FieldViolations::new();
    bad.check("session_id", ids::parse(text)).map(SessionId).ok_or(bad)
}

/// The requested page size.
pub(super) fn page_size(size: i32) -> Result<PageSize, FieldViolations> {
    let mut bad = FieldViolations::new();
    bad.check("page_size", PageSize::parse(size)).ok_or(bad)
}

/// Converts a session, marking the one of `caller`.
pub(super) fn session(session: Session, caller: &Caller) -> pb::Session {
    pb::Session {
        id: session.id.to_string(),
        create_time: Some(time::timestamp(session.create_time)),
        last_refresh_time: Some(time::timestamp(session.last_refresh_time)),
        expire_time: Some(time::timestamp(session.expire_time)),
        user_agent: session.user_agent.into(),
        ip_address: session.ip_address,
        is_current: session.id == caller.session_id,
    }
}

impl From<User> for pb::User {
    fn from(user: User) -> Self {
        let etag = user.etag().to_string();
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            create_time: Some(time::timestamp(user.create_time)),
            update_time: Some(time::timestamp(user.update_time)),
            roles: user.roles.into(),
            disabled: user.disabled,
            delete_time: user.delete_time.map(time::timestamp),
            purge_time: user.purge_time.map(time::timestamp),
            etag,
        }
    }
}

/// Converts a public key.
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
