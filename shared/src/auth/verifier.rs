//! Verifies access tokens in memory. A token is good only if it passes every check in this file.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};

use super::{
    Caller, Claims, Keys, MAX_LIFETIME, TOKEN_TYPE,
    seen::{Digest, SeenTokens},
};
use crate::{config::TokenConfig, error::Error};

/// The longest `authorization` value that is looked at, in bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// Decides whether an access token is good, without a call to anybody.
pub struct Verifier {
    keys: Arc<Keys>,
    seen: SeenTokens,
    issuer: String,
    audience: String,
    leeway: Duration,
    signature_only: Validation,
}

impl Verifier {
    /// A verifier that follows `keys`.
    #[must_use]
    pub fn new(keys: Arc<Keys>, config: &TokenConfig) -> Self {
        // jsonwebtoken's checks of claims read the clock themselves, make most claims optional and
        // let wrong types pass: it decodes and verifies the signature, `check_claims` does the
        // rest.
        let mut signature_only = Validation::new(Algorithm::ES256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        Self {
            keys,
            seen: SeenTokens::default(),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            leeway: config.leeway,
            signature_only,
        }
    }

    /// Finds out who makes the call that has these headers.
    pub fn authenticate(&self, headers: &HeaderMap, now: DateTime<Utc>) -> Result<Caller, Error> {
        let caller = self.verify(bearer_token(headers)?, now)?;
        // For the call's lines in the log.
        tracing::Span::current().record("user_id", tracing::field::display(caller.id));
        Ok(caller)
    }

    /// Finds out for whom an access token speaks. A signature is verified once: that takes five
    /// times as long as all else of a short call.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Caller, Error> {
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or(Error::KeysUnavailable)?;
        let digest = Digest::of(token);
        if let Some((caller, exp)) = self.seen.get(&digest, keys) {
            self.check_expiry(exp, now)?;
            return Ok(caller);
        }
        let kid = accepted_kid(token).ok_or(Error::AccessTokenInvalid("header"))?;
        let key = keys.get(&kid).ok_or(Error::AccessTokenInvalid("kid"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.signature_only)
            .map_err(|error| Error::AccessTokenInvalid(part(error.kind())))?
            .claims;
        self.check_claims(&claims, now)?;
        let caller = Caller { id: claims.sub, session_id: claims.sid };
        self.seen.insert(digest, keys, caller, claims.exp);
        Ok(caller)
    }

    /// Whether the call's token names a key that is not known.
    #[must_use]
    pub fn is_key_unknown(&self, headers: &HeaderMap) -> bool {
        let Ok(token) = bearer_token(headers) else { return false };
        let keys = self.keys.load();
        let Some(keys) = keys.as_ref() else { return accepted_kid(token).is_some() };
        let is_seen = self.seen.get(&Digest::of(token), keys).is_some();
        !is_seen && accepted_kid(token).is_some_and(|kid| keys.get(&kid).is_none())
    }

    /// The expiry comes last, so that "expired" is said only of a token that was good.
    fn check_claims(&self, claims: &Claims, time: DateTime<Utc>) -> Result<(), Error> {
        let (leeway, now) = (seconds(self.leeway), time.timestamp());
        let lifetime = claims.exp.checked_sub(claims.iat);
        let longest = seconds(MAX_LIFETIME);
        let checks = [
            ("iss", claims.iss == self.issuer),
            ("aud", claims.aud.includes(&self.audience)),
            ("jti", !claims.jti.is_empty()),
            ("lifetime", lifetime.is_some_and(|lifetime| (1..=longest).contains(&lifetime))),
            ("iat", claims.iat <= now + leeway),
            ("nbf", claims.nbf <= now + leeway),
        ];
        if let Some((claim, _)) = checks.into_iter().find(|(_, is_good)| !is_good) {
            return Err(Error::AccessTokenInvalid(claim));
        }
        self.check_expiry(claims.exp, time)
    }

    /// The leeway is added to our side: `exp` may be any number.
    fn check_expiry(&self, exp: i64, now: DateTime<Utc>) -> Result<(), Error> {
        let is_over = exp <= now.timestamp() - seconds(self.leeway);
        if is_over { Err(Error::AccessTokenExpired) } else { Ok(()) }
    }
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The part of a token that could not be decoded.
fn part(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::InvalidSignature => "signature",
        _ => "claims",
    }
}

/// The `kid` of a token whose header is acceptable. Headers that bring or point to a key (`jwk`,
/// `jku`, `x5c` and so on) are never read; extensions that must be understood (`crit`) are not.
fn accepted_kid(token: &str) -> Option<String> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let typ = header.typ?.to_ascii_lowercase();
    let typ = typ.strip_prefix("application/").unwrap_or(&typ);
    let accepted = header.alg == Algorithm::ES256 && typ == TOKEN_TYPE && header.crit.is_none();
    header.kid.filter(|_| accepted)
}

/// The token of the one `authorization: Bearer` entry (RFC 6750, section 2.1).
fn bearer_token(headers: &HeaderMap) -> Result<&str, Error> {
    let mut entries = headers.get_all(AUTHORIZATION).iter();
    let entry = entries.next().ok_or(Error::AccessTokenMissing)?;
    if entries.next().is_some() || entry.as_bytes().len() > MAX_HEADER_BYTES {
        return Err(Error::AccessTokenInvalid("authorization"));
    }
    let text = entry.to_str().map_err(|_| Error::AccessTokenInvalid("authorization"))?;
    let (scheme, token) = text.split_once(' ').ok_or(Error::AccessTokenMissing)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::AccessTokenMissing);
    }
    Ok(token.trim_start_matches(' '))
}
