//! Etags (AIP-154): the version of a resource that a client has read.

use std::fmt;

use crate::error::Invalid;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The version of a resource, as a number that increases with each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(transparent)]
pub struct Etag(i64);

impl Etag {
    /// The etag of this version.
    #[must_use]
    pub fn of(version: i64) -> Self {
        Self(version)
    }

    /// Reads an etag; empty means any version. The forms of HTTP headers (RFC 9110) are rejected:
    /// no retry with them can succeed. Another text that is not an etag becomes one that no
    /// resource has, so that the client learns that it is stale.
    pub fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        match text {
            "" => return Ok(None),
            "*" => return Err("must be an etag of this resource, or empty for any version".into()),
            text if text.starts_with(['"', '\'']) || text.starts_with("W/") => {
                return Err("must be the etag as the service returned it, without quotes".into());
            }
            _ => {}
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Some(Self(bytes.map_or(0, i64::from_be_bytes))))
    }
}

impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_round_trips_and_any_other_text_matches_no_version() {
        for revision in [1, 7, i64::MAX] {
            let etag = Etag::of(revision);
            assert_eq!(Etag::parse(&etag.to_string()), Ok(Some(etag)));
        }
        assert_eq!(Etag::parse(""), Ok(None));
        for text in ["1", "garbage", "AAAAAAAAAA", "AAAAAAAAAAE=", "🧀"] {
            assert_eq!(Etag::parse(text), Ok(Some(Etag::of(0))), "{text}");
        }
    }

    #[test]
    fn a_form_of_http_headers_is_invalid() {
        for text in ["*", "\"AAAAAAAAAAE\"", "W/\"AAAAAAAAAAE\"", "'AAAAAAAAAAE'", "\""] {
            assert!(Etag::parse(text).is_err(), "{text}");
        }
    }
}
