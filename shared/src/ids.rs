//! The ids that both services know: of users, of sessions and of requests.

pub use tandem_verifier::{SessionId, UserId};
use uuid::Uuid;

use crate::error::Invalid;

/// Reads an optional `request_id` (AIP-155): a UUID in any spelling, or empty.
pub fn parse_request_id(text: &str) -> Result<Option<Uuid>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(text).map(Some).map_err(|_| "must be a UUID, or empty".into())
}
