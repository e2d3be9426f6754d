//! Pages (AIP-158): their size, their end, and their tokens.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, Invalid},
    ids::UserId,
};

/// A page ends before its items are larger than this.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The most items of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(i32);

impl PageSize {
    const DEFAULT: i32 = 50;
    const MAX: i32 = 200;

    /// Reads `page_size`: 0 means the default of 50, values above 200 are coerced, negative ones
    /// rejected.
    pub fn parse(size: i32) -> Result<Self, Invalid> {
        match size {
            ..0 => Err("must not be negative".into()),
            0 => Ok(Self(Self::DEFAULT)),
            size => Ok(Self(size.min(Self::MAX))),
        }
    }

    /// As a number of items.
    pub fn get(self) -> usize {
        usize::try_from(self.0).expect("it is positive")
    }
}

/// Cuts a page from its items and the first item of the next page, if any, and returns whether
/// there is a next page. Large items, by `bytes`, shorten a page to one item at least: a response
/// should stay well below the 4 MiB that gRPC clients accept.
pub fn cut<T>(mut items: Vec<T>, size: PageSize, bytes: impl Fn(&T) -> usize) -> (Vec<T>, bool) {
    let mut total = 0;
    let fits = items.iter().take(size.get()).take_while(|item| {
        total += bytes(item);
        total <= MAX_PAGE_BYTES
    });
    let fitting = fits.count().max(1);
    let has_more = items.len() > fitting;
    items.truncate(fitting);
    (items, has_more)
}

/// The key that seals page tokens: they contain values of the last item.
pub struct PageTokenKey(hmac::Key);

impl PageTokenKey {
    /// 32 random bytes, the same for all replicas.
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// Writes a token for the page behind `cursor`. It is good only for `owner` and for `list`,
    /// which says what is listed and in which order.
    pub fn seal(&self, owner: UserId, list: &str, cursor: &impl Serialize) -> String {
        let mut token = serde_json::to_vec(cursor).expect("a cursor is plain data");
        let nonce = self
            .of_owner(owner)
            .seal_in_place_append_tag(Aad::from(list), &mut token)
            .expect("AES-GCM seals less than 64 GiB");
        token.splice(0..0, nonce.as_ref().iter().copied());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads `page_token`; an empty one is the first page, which has no cursor.
    ///
    /// # Errors
    /// [`Error::PageTokenInvalid`] for anything that was not sealed for this owner and list.
    pub fn open<T: DeserializeOwned>(
        &self,
        owner: UserId,
        list: &str,
        token: &str,
    ) -> Result<Option<T>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        let opened = || {
            let mut token = URL_SAFE_NO_PAD.decode(token).ok()?;
            let (nonce, cursor) = token.split_at_mut_checked(NONCE_LEN)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let cursor = self.of_owner(owner).open_in_place(nonce, Aad::from(list), cursor).ok()?;
            serde_json::from_slice(cursor).ok()
        };
        opened().map(Some).ok_or(Error::PageTokenInvalid)
    }

    /// Each owner has a key: 2^32 random nonces are safe per key (NIST SP 800-38D).
    fn of_owner(&self, owner: UserId) -> RandomizedNonceKey {
        let key = hmac::sign(&self.0, owner.0.as_bytes());
        RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).expect("HMAC-SHA256 has 32 bytes")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_page_size_is_coerced_or_refused() {
        for (asked, given) in [(0, 50), (1, 1), (200, 200), (201, 200), (i32::MAX, 200)] {
            assert_eq!(PageSize::parse(asked).map(PageSize::get), Ok(given));
        }
        assert!(PageSize::parse(-1).is_err() && PageSize::parse(i32::MIN).is_err());
    }

    proptest! {
        #[test]
        fn a_token_opens_as_it_was_sealed_and_no_other_opens(
            cursor: (i64, String),
            place in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let (key, owner) = (PageTokenKey::new(&[1; 32]), UserId::generate());
            let token = key.seal(owner, "list", &cursor);
            let open = |key: &PageTokenKey, owner, list, token: &str| {
                key.open::<(i64, String)>(owner, list, token).ok().flatten()
            };
            prop_assert_eq!(open(&key, owner, "list", &token), Some(cursor));
            prop_assert_eq!(open(&key, UserId::generate(), "list", &token), None);
            prop_assert_eq!(open(&key, owner, "lis", &token), None);
            prop_assert_eq!(open(&PageTokenKey::new(&[2; 32]), owner, "list", &token), None);
            let mut changed = URL_SAFE_NO_PAD.decode(&token).expect("it is base64");
            let place = place.index(changed.len());
            changed[place] ^= 1_u8 << bit;
            let changed = URL_SAFE_NO_PAD.encode(&changed);
            prop_assert_eq!(open(&key, owner, "list", &changed), None);
        }

        #[test]
        fn a_token_reveals_no_text(text in "[a-z]{8,20}") {
            let (key, owner) = (PageTokenKey::new(&[1; 32]), UserId::generate());
            let token = key.seal(owner, "list", &text);
            let bytes = URL_SAFE_NO_PAD.decode(&token).expect("it is base64");
            prop_assert!(!bytes.windows(text.len()).any(|part| part == text.as_bytes()));
            prop_assert_ne!(key.seal(owner, "list", &text), token);
        }

        #[test]
        fn no_text_makes_opening_panic(token in ".+") {
            let key = PageTokenKey::new(&[1; 32]);
            prop_assert!(key.open::<i64>(UserId::generate(), "list", &token).is_err());
        }
    }
}
