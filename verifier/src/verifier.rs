//! Verifies access tokens in memory. A token is valid only if it passes every check in this file.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};

use crate::{
    Caller, Claims, Error, Keys, MAX_LIFETIME, TOKEN_TYPE,
    verified_tokens::{Digest, VerifiedTokens},
};

/// The longest accepted `authorization` value, in bytes.
const MAX_HEADER_BYTES: usize = 4096;

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
    signature_only: Validation,
}

impl Verifier {
    /// A verifier that follows `keys`.
    #[must_use]
    pub fn new(keys: Arc<Keys>, config: VerifierConfig) -> Self {
        // jsonwebtoken's checks of claims read the clock, make most claims optional and accept
        // wrong types. It decodes and verifies the signature; `check_claims` does the rest.
        let mut signature_only = Validation::new(Algorithm::ES256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        signature_only.validate_aud = false;
        Self { keys, verified: VerifiedTokens::default(), config, signature_only }
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
        let kid = accepted_kid(token).ok_or(Error::TokenInvalid("header"))?;
        let key = keys.get(&kid).ok_or(Error::TokenInvalid("kid"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.signature_only)
            .map_err(|error| Error::TokenInvalid(part(error.kind())))?
            .claims;
        self.check_claims(&claims, now)?;
        let caller = Caller { id: claims.sub, session_id: claims.sid };
        self.verified.insert(digest, keys, caller, claims.exp);
        Ok(caller)
    }

    /// Whether the call's token names a key that is not in the key set.
    #[must_use]
    pub fn is_key_unknown(&self, headers: &HeaderMap) -> bool {
        let Ok(token) = bearer_token(headers) else { return false };
        let keys = self.keys.load();
        let Some(keys) = keys.as_ref() else { return accepted_kid(token).is_some() };
        let is_cached = self.verified.get(&Digest::of(token), keys).is_some();
        !is_cached && accepted_kid(token).is_some_and(|kid| keys.get(&kid).is_none())
    }

    /// The expiry comes last, so that only an otherwise valid token is reported as expired.
    fn check_claims(&self, claims: &Claims, time: DateTime<Utc>) -> Result<(), Error> {
        let (leeway, now) = (seconds(self.config.leeway), time.timestamp());
        let lifetime = claims.exp.checked_sub(claims.iat);
        let longest = seconds(MAX_LIFETIME);
        let checks = [
            ("iss", claims.iss == self.config.issuer),
            ("aud", claims.aud.includes(&self.config.audience)),
            ("jti", !claims.jti.is_empty()),
            ("lifetime", lifetime.is_some_and(|lifetime| (1..=longest).contains(&lifetime))),
            ("iat", claims.iat <= now + leeway),
            ("nbf", claims.nbf <= now + leeway),
        ];
        if let Some((claim, _)) = checks.into_iter().find(|(_, passes)| !passes) {
            return Err(Error::TokenInvalid(claim));
        }
        self.check_expiry(claims.exp, time)
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

/// The part of a token that failed to decode.
fn part(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::InvalidSignature => "signature",
        _ => "claims",
    }
}

/// The `kid` of a token whose header is acceptable. Header parameters that carry or locate a key
/// (`jwk`, `jku`, `x5c`, …) are never read; a header with `crit` is rejected.
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
