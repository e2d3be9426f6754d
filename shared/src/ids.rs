//! The ids that both services know: of users, of sessions and of requests.

use tandem_verifier::parse_id;
pub use tandem_verifier::{SessionId, UserId};
use uuid::Uuid;

use crate::error::Invalid;

/// Reads an id as the verifier reads those of tokens, with [`parse_id`].
pub fn parse(text: &str) -> Result<Uuid, Invalid> {
    parse_id(text).ok_or_else(|| "must be a UUID, and neither the nil nor the max UUID".into())
}

/// Reads an optional `request_id` (AIP-155): an id, or empty.
pub fn parse_request_id(text: &str) -> Result<Option<Uuid>, Invalid> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}
