//! Refresh tokens: a session id and a generation, authenticated by a key outside the database.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use shared::ids::SessionId;
use uuid::Uuid;

use super::root_key::RootKey;

const PURPOSE: &str = "tandem: refresh tokens, v1";
/// The size of a session id and a generation.
const PAYLOAD_BYTES: usize = 16 + 8;

/// Seals and opens refresh tokens.
pub(crate) struct RefreshTokens(hmac::Key);

/// The content of a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefreshToken {
    pub(crate) session_id: SessionId,
    pub(crate) generation: i64,
}

impl RefreshTokens {
    pub(crate) fn new(root_key: &RootKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &*root_key.derive(PURPOSE)))
    }

    /// The text for the client. The same token always has the same text.
    pub(crate) fn seal(&self, token: RefreshToken) -> String {
        let mut text = Vec::with_capacity(PAYLOAD_BYTES + 32);
        text.extend_from_slice(token.session_id.0.as_bytes());
        text.extend_from_slice(&token.generation.to_be_bytes());
        let tag = hmac::sign(&self.0, &text);
        text.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(text)
    }

    /// Opens the text of [`seal`](Self::seal); `None` for any other text.
    pub(crate) fn open(&self, text: &str) -> Option<RefreshToken> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, tag) = bytes.split_at_checked(PAYLOAD_BYTES)?;
        hmac::verify(&self.0, payload, tag).ok()?;
        let (session_id, generation) = payload.split_first_chunk::<16>()?;
        Some(RefreshToken {
            session_id: SessionId(Uuid::from_bytes(*session_id)),
            generation: i64::from_be_bytes(generation.try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(byte: char) -> RefreshTokens {
        let root_key = byte.to_string().repeat(42) + "A=";
        RefreshTokens::new(&root_key.parse().expect("the key is 32 bytes in base64"))
    }

    proptest! {
        #[test]
        fn a_sealed_token_opens_and_a_changed_one_does_not(
            id: [u8; 16],
            generation in 0..i64::MAX,
            byte in 0_usize..56,
            bit in 0..8,
        ) {
            let session_id = SessionId(Uuid::from_bytes(id));
            let token = RefreshToken { session_id, generation };
            let text = tokens('A').seal(token);
            prop_assert_eq!(tokens('A').open(&text), Some(token));
            prop_assert_eq!(tokens('B').open(&text), None);
            let mut changed = URL_SAFE_NO_PAD.decode(&text).expect("the token is base64");
            changed[byte] ^= 1_u8 << bit;
            prop_assert_eq!(tokens('A').open(&URL_SAFE_NO_PAD.encode(changed)), None);
        }

        #[test]
        fn arbitrary_text_does_not_open(text in any::<String>()) {
            prop_assert_eq!(tokens('A').open(&text), None);
        }
    }
}
