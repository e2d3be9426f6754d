//! Verifies Tandem's access tokens in any Rust service, in memory and without a call to the issuer.
//!
//! In reading order:
//! - [`Claims`]: what an access token contains (RFC 9068)
//! - [`KeySet`]: the issuer's public keys (RFC 7517) and the checks that each must pass
//! - [`JwksClient`]: fetches the key set by URL, refreshes it, and refetches it for unknown keys
//! - [`Verifier`]: every check of a token, and the cache of tokens that passed
//! - [`interceptor`]: authenticates the calls of a tonic service
//!
//! The README has the steps; `examples/guarded.rs` is a complete service.

mod caller;
mod claims;
mod error;
mod jwks;
mod jws;
mod key_set;
mod verified_tokens;
mod verifier;

pub use caller::{Caller, Roles, interceptor};
pub use claims::{Claims, MAX_LIFETIME, SessionId, TOKEN_TYPE, UserId, parse_id};
pub use error::{DOMAIN, Error};
pub use jwks::{FetchTrace, JwksClient, JwksConfig, jitter};
pub use key_set::{InvalidKeySet, Jwk, KeySet, Keys};
pub use verifier::{Verifier, VerifierConfig, bearer_token};
