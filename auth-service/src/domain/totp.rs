//! TOTP secrets and their codes (RFC 6238): 6 digits, steps of 30 seconds, HMAC-SHA-1.

use std::fmt;

use aws_lc_rs::rand;
use chrono::{DateTime, Utc};
use shared::{error::Invalid, ids::UserId};
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::{root_key::RootKey, user::Username};

/// The size that RFC 4226 recommends (section 4, R6).
const SECRET_BYTES: usize = 20;
/// The length of a step, in seconds.
const STEP: i64 = 30;
/// How many steps the clock of an authenticator may differ, each way (RFC 6238, section 5.2).
const SKEW: u16 = 1;

/// A code as typed: 6 digits. Never printed.
pub(crate) struct TotpCode(Zeroizing<String>);

impl TotpCode {
    /// Reads 6 digits. Authenticators show them in groups, so spaces are ignored.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let digits: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace()).take(7).collect());
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("must have 6 digits".into());
        }
        Ok(Self(digits))
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode")
    }
}

/// The secret that a user's authenticator holds too. Never printed, and wiped on drop.
pub(crate) struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl TotpSecret {
    /// A random secret.
    pub(crate) fn generate() -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        rand::fill(&mut *secret).expect("the system provides randomness");
        Self(secret)
    }

    /// The secret for the database: it opens for this user only.
    pub(crate) fn seal(&self, root_key: &RootKey, user_id: UserId) -> Vec<u8> {
        root_key.seal(&name(user_id), &*self.0)
    }

    /// Opens a stored secret; `None` if it was sealed for another user or by another root key.
    pub(crate) fn open(root_key: &RootKey, user_id: UserId, sealed: &[u8]) -> Option<Self> {
        let secret = root_key.open(&name(user_id), sealed)?;
        Some(Self(Zeroizing::new(secret.as_slice().try_into().ok()?)))
    }

    /// The secret for the user, in base32 without padding.
    pub(crate) fn base32(&self) -> String {
        self.totp("", "").secret().to_base32()
    }

    /// The secret for a QR code. Authenticators show the issuer and the name.
    pub(crate) fn uri(&self, issuer: &str, username: &Username) -> String {
        let uri = self.totp(issuer, &username.to_string()).to_url();
        uri.expect("a username is not empty and has no colon")
    }

    /// The step of this code, if it is the code of the current step or a neighbour, and later than
    /// `last`. Digits are compared in constant time.
    pub(crate) fn step(&self, code: &TotpCode, last: i64, now: DateTime<Utc>) -> Option<i64> {
        let time = u64::try_from(now.timestamp()).ok()?;
        let step = self.totp("", "").check(&code.0, time)?;
        i64::try_from(step).ok().filter(|step| *step > last)
    }

    fn totp(&self, issuer: &str, username: &str) -> Totp {
        let builder = Builder::new().with_secret(*self.0).with_skew(SKEW).with_digits(6);
        let builder = builder.with_step_duration(STEP.unsigned_abs());
        let builder = builder.with_issuer((!issuer.is_empty()).then_some(issuer));
        let totp = builder.with_account_name(username).build();
        totp.expect("the configuration and usernames have no colon, and a secret has 20 bytes")
    }
}

/// The name under which a user's secret is sealed.
fn name(user_id: UserId) -> String {
    format!("totp secret of {user_id}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The secret of RFC 6238, appendix B.
    fn secret() -> TotpSecret {
        TotpSecret(Zeroizing::new(*b"12345678901234567890"))
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn code_of(secret: &TotpSecret, step: i64) -> TotpCode {
        let time = u64::try_from(step * STEP).unwrap();
        TotpCode::parse(&secret.totp("", "").generate(time).to_string()).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1. A code of 6 digits is the end of the one of 8 (RFC 4226, section 5.3).
        for (time, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let code = TotpCode::parse(&code[2..]).unwrap();
            assert_eq!(secret().step(&code, 0, at(time)), Some(time / STEP), "{time}");
        }
    }

    #[test]
    fn a_code_has_6_digits_and_spaces_are_ignored() {
        for good in ["123456", "123 456", " 12 34 56\n", "000000", "1 2 3 4 5 6"] {
            assert!(TotpCode::parse(good).is_ok(), "{good:?}");
        }
        for bad in ["", "12345", "1234567", "12345a", "+12345", "-12345", "١٢٣٤٥٦", "1234567890"]
        {
            assert!(TotpCode::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(format!("{:?}", TotpCode::parse("123456").unwrap()), "TotpCode");
    }

    #[test]
    fn a_sealed_secret_opens_for_its_user_with_its_root_key_only() {
        let root_key = |byte: char| -> RootKey {
            (byte.to_string().repeat(42) + "A=").parse().expect("the key is 32 bytes in base64")
        };
        let (ada, bob) = (UserId::generate(), UserId::generate());
        let sealed = secret().seal(&root_key('A'), ada);
        let opened = TotpSecret::open(&root_key('A'), ada, &sealed).unwrap();
        assert_eq!(opened.0, secret().0);
        assert!(TotpSecret::open(&root_key('A'), bob, &sealed).is_none());
        assert!(TotpSecret::open(&root_key('B'), ada, &sealed).is_none());
        assert!(TotpSecret::open(&root_key('A'), ada, &sealed[1..]).is_none());
    }

    #[test]
    fn the_uri_names_issuer_and_user() {
        let username = Username::parse("ada-1815").unwrap();
        let uri = secret().uri("Ada & Co", &username);
        let secret = secret().base32();
        assert_eq!(secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let expected =
            format!("otpauth://totp/Ada%20%26%20Co:ada-1815?secret={secret}&issuer=Ada%20%26%20Co");
        assert_eq!(uri, expected);
    }

    #[test]
    fn two_secrets_differ() {
        assert_ne!(TotpSecret::generate().0, TotpSecret::generate().0);
    }

    proptest! {
        #[test]
        fn a_code_is_valid_in_its_step_and_the_steps_beside_it_only(
            now in 90..20_000_000_000_i64,
            distance in -4..=4_i64,
        ) {
            let (secret, step) = (TotpSecret::generate(), now / STEP);
            let code = code_of(&secret, (step + distance).max(0));
            let found = secret.step(&code, 0, at(now));
            // A stranger's code is right by chance once in 300,000 times.
            let near = (-1..=1).find(|near| code_of(&secret, step + near).0 == code.0);
            prop_assert_eq!(found, near.map(|near| step + near));
            prop_assert!(distance.abs() > 1 || found.is_some());
        }

        #[test]
        fn a_code_of_the_last_step_or_an_earlier_one_is_rejected(
            now in 90..20_000_000_000_i64,
            distance in -1..=1_i64,
            last in -2..=2_i64,
        ) {
            let step = now / STEP;
            let found = secret().step(&code_of(&secret(), step + distance), step + last, at(now));
            prop_assert!(found.is_none_or(|found| found > step + last));
            let unique = (-1..=1).filter(|near| {
                code_of(&secret(), step + near).0 == code_of(&secret(), step + distance).0
            });
            if unique.count() == 1 {
                prop_assert_eq!(found.is_some(), distance > last);
            }
        }

        #[test]
        fn arbitrary_text_is_6_digits_or_no_code(text in any::<String>()) {
            let digits = text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert_eq!(TotpCode::parse(&text).is_ok(), is_code);
        }
    }
}
