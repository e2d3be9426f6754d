//! The second factor of a login: a code of the authenticator, or a recovery code.

use std::fmt;

use aws_lc_rs::{
    constant_time,
    digest::{Context, SHA256},
    rand,
};
use base32::Alphabet;
use chrono::{DateTime, Utc};
use shared::{error::Invalid, ids::UserId};
use zeroize::Zeroizing;

use super::totp::{TotpCode, TotpSecret};

/// The number of recovery codes of a user.
pub(crate) const RECOVERY_CODES: usize = 10;
/// 80 random bits: 16 letters and digits.
const RECOVERY_CODE_BYTES: usize = 10;

/// How a user proves the second factor.
#[derive(Debug)]
pub(crate) enum Factor {
    Code(TotpCode),
    RecoveryCode(RecoveryCode),
}

impl Factor {
    /// The field of the requests that has this factor.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Code(_) => "code",
            Self::RecoveryCode(_) => "recovery_code",
        }
    }
}

/// A random code that a user keeps for the loss of the authenticator. Never printed.
pub(crate) struct RecoveryCode(Zeroizing<[u8; RECOVERY_CODE_BYTES]>);

impl RecoveryCode {
    /// The codes of a user.
    pub(crate) fn generate_all() -> [Self; RECOVERY_CODES] {
        std::array::from_fn(|_| {
            let mut code = Zeroizing::new([0; RECOVERY_CODE_BYTES]);
            rand::fill(&mut *code).expect("the system provides randomness");
            Self(code)
        })
    }

    /// Reads a code as a person types it, in Crockford's base32: in any case, with spaces and
    /// hyphens anywhere, O for 0, I and L for 1.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let is_separator = |c: &char| c.is_whitespace() || matches!(c, '-' | '–' | '‐' | '‑');
        let code: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !is_separator(c)).take(17).collect());
        let bytes = base32::decode(Alphabet::Crockford, &code).map(Zeroizing::new);
        let bytes = bytes.filter(|_| code.len() == 16).and_then(|bytes| bytes[..].try_into().ok());
        bytes
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or_else(|| "must have 16 letters and digits, as shown".into())
    }

    /// The code for its user, in groups of four.
    pub(crate) fn text(&self) -> String {
        let mut text = base32::encode(Alphabet::Crockford, &*self.0);
        for place in [12, 8, 4] {
            text.insert(place, '-');
        }
        text
    }

    /// What is stored. A plain hash: 80 random bits cannot be searched, and unlike a secret that is
    /// sealed, it still works when the root key is lost.
    pub(crate) fn hash(&self, user_id: UserId) -> Vec<u8> {
        let mut hash = Context::new(&SHA256);
        hash.update(user_id.0.as_bytes());
        hash.update(&*self.0);
        hash.finish().as_ref().to_vec()
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode")
    }
}

/// A factor that was right when it was checked. The statement that uses it up checks that it is
/// unused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The time step of a code.
    Step(i64),
    /// The stored hash of a recovery code.
    RecoveryCode(Vec<u8>),
}

impl Proof {
    /// The time step, or the hash.
    pub(crate) fn parts(&self) -> (Option<i64>, Option<&[u8]>) {
        match self {
            Self::Step(step) => (Some(*step), None),
            Self::RecoveryCode(hash) => (None, Some(hash)),
        }
    }
}

/// An enabled second factor, as stored.
pub(crate) struct Enrolled {
    pub(crate) user_id: UserId,
    /// `None` if the root key no longer opens it.
    pub(crate) secret: Option<TotpSecret>,
    /// The step of the last accepted code.
    pub(crate) last_step: i64,
    pub(crate) recovery_codes: Vec<Vec<u8>>,
}

impl Enrolled {
    /// Checks a factor in constant time.
    pub(crate) fn check(&self, factor: &Factor, now: DateTime<Utc>) -> Option<Proof> {
        match factor {
            Factor::Code(code) => {
                self.secret.as_ref()?.step(code, self.last_step, now).map(Proof::Step)
            }
            Factor::RecoveryCode(code) => {
                let hash = code.hash(self.user_id);
                let is_it = |stored: &&Vec<u8>| {
                    constant_time::verify_slices_are_equal(stored, &hash).is_ok()
                };
                // Every stored hash is compared, wherever the right one is.
                self.recovery_codes.iter().filter(is_it).count().gt(&0).then_some(())?;
                Some(Proof::RecoveryCode(hash))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_is_read_as_it_was_shown_or_as_a_person_types_it() {
        let user = UserId::generate();
        for code in RecoveryCode::generate_all() {
            let text = code.text();
            assert_eq!(text.len(), 19, "{text}");
            let typed = text.replace('0', "o").replace('1', "L").to_lowercase();
            for text in [&text, &text.replace('-', ""), &text.replace('-', " "), &typed] {
                let read = RecoveryCode::parse(text).unwrap();
                assert_eq!(read.hash(user), code.hash(user), "{text}");
            }
        }
        for bad in
            ["", "123456", "0123-4567-89ab-cde", "0123-4567-89ab-cdeff", "0123-4567-89ab-cdeu"]
        {
            assert!(RecoveryCode::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", RecoveryCode::generate_all()[0]), "RecoveryCode");
    }

    #[test]
    fn codes_and_their_hashes_differ_by_code_and_user() {
        let [ada, bob] = [UserId::generate(), UserId::generate()];
        let codes = RecoveryCode::generate_all();
        let mut hashes: Vec<_> =
            codes.iter().flat_map(|code| [code.hash(ada), code.hash(bob)]).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), 2 * RECOVERY_CODES);
    }

    #[test]
    fn a_recovery_code_of_the_user_is_right_and_every_other_one_is_wrong() {
        let user_id = UserId::generate();
        let [first, second, unused, ..] = RecoveryCode::generate_all();
        let recovery_codes = vec![first.hash(user_id), second.hash(user_id)];
        let now = DateTime::UNIX_EPOCH;
        let enrolled = Enrolled { user_id, secret: None, last_step: 0, recovery_codes };
        for code in [first, second] {
            let hash = code.hash(user_id);
            let proof = enrolled.check(&Factor::RecoveryCode(code), now);
            assert_eq!(proof, Some(Proof::RecoveryCode(hash)));
        }
        assert_eq!(enrolled.check(&Factor::RecoveryCode(unused), now), None);
        let code = TotpCode::parse("123456").unwrap();
        assert_eq!(enrolled.check(&Factor::Code(code), now), None, "the secret is lost");
    }

    proptest! {
        #[test]
        fn arbitrary_text_does_not_panic(text in any::<String>(), short in "\\PC{16}") {
            let _ = RecoveryCode::parse(&text);
            let _ = RecoveryCode::parse(&short);
        }
    }
}
