//! Pages (AIP-158): their size, where one ends, and the token that says so.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    error::{Error, Invalid},
    ids::UserId,
};

const PAYLOAD_BYTES: usize = 24;
/// A page ends before its items are larger than this.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// How many items a page may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(i32);

impl PageSize {
    const DEFAULT: i32 = 50;
    const MAX: i32 = 200;

    /// Reads `page_size`: 0 is the default of 50, more than 200 is 200, negative is refused.
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

/// The place behind an item in a list, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Of the last item that was shown.
    pub create_time: DateTime<Utc>,
    /// Of the last item that was shown: it breaks ties.
    pub id: Uuid,
}

impl Cursor {
    /// The place before all items.
    pub const START: Self = Self { create_time: DateTime::<Utc>::MAX_UTC, id: Uuid::max() };
}

/// What can be listed in pages.
pub trait Item {
    /// The place behind it.
    fn cursor(&self) -> Cursor;

    /// About how many bytes it takes in an answer.
    fn bytes(&self) -> usize;
}

/// Cuts a page from what was read for it, which is one item more if there is another page; and says
/// where that begins. Large items make a page shorter, but never empty: an answer should stay well
/// below the 4 MiB that gRPC clients accept.
pub fn cut<T: Item>(mut items: Vec<T>, size: PageSize) -> (Vec<T>, Option<Cursor>) {
    let mut bytes = 0;
    let fits = items.iter().take(size.get()).take_while(|item| {
        bytes += item.bytes();
        bytes <= MAX_PAGE_BYTES
    });
    let fitting = fits.count().max(1);
    if items.len() <= fitting {
        return (items, None);
    }
    items.truncate(fitting);
    let next = items.last().map(Item::cursor);
    (items, next)
}

/// The key that authenticates the page tokens of one list.
pub struct PageTokenKey {
    key: hmac::Key,
    list: &'static str,
}

impl PageTokenKey {
    /// `list` says what is listed and in which order: a token of one list is no good for another.
    pub fn new(key: &[u8], list: &'static str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), list }
    }

    /// Writes a token for the page behind `cursor`, good for `owner` only.
    pub fn seal(&self, owner: UserId, cursor: Cursor) -> String {
        let mut token = Vec::with_capacity(PAYLOAD_BYTES + 32);
        token.extend_from_slice(&cursor.create_time.timestamp_micros().to_be_bytes());
        token.extend_from_slice(cursor.id.as_bytes());
        let tag = hmac::sign(&self.key, &self.authenticated(owner, &token));
        token.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads a token that [`seal`](Self::seal) wrote for this owner; `None` for any other text.
    pub fn open(&self, owner: UserId, token: &str) -> Option<Cursor> {
        let token = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (payload, tag) = token.split_at_checked(PAYLOAD_BYTES)?;
        hmac::verify(&self.key, &self.authenticated(owner, payload), tag).ok()?;
        let (micros, id) = payload.split_first_chunk()?;
        Some(Cursor {
            create_time: DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?,
            id: Uuid::from_slice(id).ok()?,
        })
    }

    /// Reads `page_token`: empty is the first page.
    ///
    /// # Errors
    /// [`Error::PageTokenInvalid`] for anything that was not sealed for this owner and list.
    pub fn open_or_start(&self, owner: UserId, token: &str) -> Result<Cursor, Error> {
        if token.is_empty() {
            return Ok(Cursor::START);
        }
        self.open(owner, token).ok_or(Error::PageTokenInvalid)
    }

    fn authenticated(&self, owner: UserId, payload: &[u8]) -> Vec<u8> {
        [self.list.as_bytes(), &[0], owner.0.as_bytes(), payload].concat()
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
            micros in -62_135_596_800_000_000_i64..253_402_300_800_000_000,
            id: [u8; 16],
            byte in 0_usize..56,
            bit in 0..8,
        ) {
            let (key, owner) = (PageTokenKey::new(&[1; 32], "a"), UserId::generate());
            let create_time = DateTime::from_timestamp_micros(micros).expect("a year below 9999");
            let cursor = Cursor { create_time, id: Uuid::from_bytes(id) };
            let token = key.seal(owner, cursor);
            prop_assert_eq!(key.open(owner, &token), Some(cursor));
            prop_assert_eq!(key.open(UserId::generate(), &token), None);
            prop_assert_eq!(PageTokenKey::new(&[2; 32], "a").open(owner, &token), None);
            prop_assert_eq!(PageTokenKey::new(&[1; 32], "b").open(owner, &token), None);
            let mut changed = URL_SAFE_NO_PAD.decode(&token).expect("it is base64");
            changed[byte] ^= 1_u8 << bit;
            prop_assert_eq!(key.open(owner, &URL_SAFE_NO_PAD.encode(changed)), None);
        }

        #[test]
        fn no_text_makes_opening_panic(token in any::<String>()) {
            let key = PageTokenKey::new(&[1; 32], "a");
            prop_assert_eq!(key.open(UserId::generate(), &token), None);
        }
    }
}
