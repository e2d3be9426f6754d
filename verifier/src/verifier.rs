//! Verifies access tokens in memory. A token is valid only if it passes every check in this file.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, header::AUTHORIZATION};
use serde_json::Value;

use crate::{
    Caller, Error, Keys, MAX_LIFETIME, Roles, TOKEN_TYPE,
    claims::parse_id,
    jws::{Jws, Members, check},
    verified_tokens::{Digest, VerifiedTokens},
};

/// The longest accepted `authorization` value, in bytes. gRPC advises clients to keep all metadata
/// below this.
const MAX_HEADER_BYTES: usize = 8192;

/// What a token must contain to be valid here.
#[derive(Clone, Debug)]
pub struct VerifierConfig {
    /// The expected `iss`.
    pub issuer: String,
    /// The expected `aud`, or one of them.
    pub audience: String,
    /// The tolerated difference between the clocks of issuer and verifier.
    pub leeway: Duration,
}

/// The defaults of a Tandem on this machine: issuer `http://127.0.0.1:50051`, audience `tandem`, a
/// leeway of 30 seconds.
impl Default for VerifierConfig {
    fn default() -> Self {
        Self {
            issuer: "http://127.0.0.1:50051".to_owned(),
            audience: "tandem".to_owned(),
            leeway: Duration::from_secs(30),
        }
    }
}

/// Verifies access tokens without a call to the issuer.
pub struct Verifier {
    keys: Arc<Keys>,
    verified: VerifiedTokens,
    config: VerifierConfig,
}

impl Verifier {
    /// A verifier that follows `keys`.
    #[must_use]
    pub fn new(keys: Arc<Keys>, config: VerifierConfig) -> Self {
        Self { keys, verified: VerifiedTokens::default(), config }
    }

    /// The caller of a call with these headers, recorded as `user_id` of the current span.
    pub fn authenticate(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Caller, Error> {
        let caller = self.verify(bearer_token(headers)?, now)?;
        tracing::Span::current().record("user_id", tracing::field::display(caller.id));
        Ok(caller)
    }

    /// The caller that an access token speaks for. A signature is verified once and then cached:
    /// it takes five times as long as the rest of a short call.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Caller, Error> {
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or(Error::KeysUnavailable)?;
        let digest = Digest::of(token);
        if let Some((caller, exp)) = self.verified.get(&digest, keys) {
            self.check_expiry(exp, now)?;
            return Ok(caller);
        }
        let payload = access_token(token)?.verify(keys)?;
        let claims = Members::parse(&payload).ok_or(Error::TokenInvalid("claims"))?;
        let (caller, exp) = self.check_claims(&claims, now)?;
        self.verified.insert(digest, keys, caller.clone(), exp);
        Ok(caller)
    }

    /// Whether the call's token names a key that is not in the key set.
    #[must_use]
    pub fn is_key_unknown(&self, headers: &HeaderMap) -> bool {
        let Ok(token) = bearer_token(headers) else { return false };
        let keys = self.keys.load();
        let Some(keys) = keys.as_ref() else { return access_token(token).is_ok() };
        let is_cached = self.verified.get(&Digest::of(token), keys).is_some();
        let is_unknown =
            |token: Jws<'_>| token.kid().is_some_and(|kid| keys.find(Some(kid)).is_none());
        !is_cached && access_token(token).is_ok_and(is_unknown)
    }

    /// Checks the claims (RFC 9068) and returns the caller and the `exp`. The expiry comes last, so
    /// that only an otherwise valid token is reported as expired.
    fn check_claims(&self, claims: &Members, time: DateTime<Utc>) -> Result<(Caller, i64), Error> {
        let latest_start = time.timestamp() + seconds(self.config.leeway);
        check("iss", claims.text("iss")? == self.config.issuer)?;
        check("aud", includes(claims.get("aud"), &self.config.audience))?;
        let id = parse_id(claims.text("sub")?).ok_or(Error::TokenInvalid("sub"))?;
        let session_id = claims.optional_text("sid")?.and_then(parse_id);
        claims.optional_text("jti")?;
        let (iat, exp) = (claims.time("iat")?, claims.time("exp")?);
        let lifetime = 1..=seconds(MAX_LIFETIME);
        check("lifetime", exp.checked_sub(iat).is_some_and(|time| lifetime.contains(&time)))?;
        check("iat", iat <= latest_start)?;
        check("nbf", claims.get("nbf").is_none() || claims.time("nbf")? <= latest_start)?;
        self.check_expiry(exp, time)?;
        let session_id = session_id.map(Into::into);
        let roles = Roles::of_claim(claims.get("roles"));
        let auth_time = claims.time("auth_time").ok();
        let has_second_factor = names(claims.get("amr"), "mfa");
        let caller = Caller { id: id.into(), session_id, roles, auth_time, has_second_factor };
        Ok((caller, exp))
    }

    /// The leeway is subtracted from `now`, since `exp` may be any number.
    fn check_expiry(&self, exp: i64, now: DateTime<Utc>) -> Result<(), Error> {
        let has_expired = exp <= now.timestamp() - seconds(self.config.leeway);
        if has_expired { Err(Error::TokenExpired) } else { Ok(()) }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// A token whose header says that it is an access token (RFC 9068, section 2.1).
fn access_token(token: &str) -> Result<Jws<'_>, Error> {
    let token = Jws::parse(token)?;
    let typ = token.header.text("typ")?.to_ascii_lowercase();
    check("typ", typ.strip_prefix("application/").unwrap_or(&typ) == TOKEN_TYPE)?;
    Ok(token)
}

/// Whether `name` is the `aud` claim or one of its texts (RFC 7519, section 4.1.3).
fn includes(aud: Option<&Value>, name: &str) -> bool {
    match aud {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => {
            several.iter().all(Value::is_string) && several.iter().any(|one| one == name)
        }
        _ => false,
    }
}

/// Whether an array of texts has this one.
fn names(claim: Option<&Value>, text: &str) -> bool {
    claim.and_then(Value::as_array).is_some_and(|texts| texts.iter().any(|one| one == text))
}

/// The token of the one `authorization: Bearer` entry (RFC 6750, section 2.1).
///
/// # Errors
/// [`Error::TokenMissing`] without such an entry; [`Error::TokenInvalid`] if there are several.
pub fn bearer_token(headers: &HeaderMap) -> Result<&str, Error> {
    let mut entries = headers.get_all(AUTHORIZATION).iter();
    let entry = entries.next().ok_or(Error::TokenMissing)?;
    if entries.next().is_some() || entry.as_bytes().len() > MAX_HEADER_BYTES {
        return Err(Error::TokenInvalid("authorization"));
    }
    let text = entry.to_str().map_err(|_| Error::TokenInvalid("authorization"))?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::TokenMissing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::TokenMissing);
    }
    Ok(token.trim_start_matches(' '))
}
