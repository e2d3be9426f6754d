//! The root key, which seals secrets and derives the other keys.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// 32 random bytes that are never in the database. Never printed, and wiped on drop.
#[derive(Clone)]
pub(crate) struct RootKey(Zeroizing<[u8; 32]>);

impl RootKey {
    /// Encrypts a secret for the database (AES-256-GCM). The secret opens under the same `name`
    /// only.
    pub(crate) fn seal(&self, name: &str, secret: &[u8]) -> Vec<u8> {
        let mut sealed = secret.to_vec();
        let nonce = self
            .sealing_key()
            .seal_in_place_append_tag(Aad::from(name), &mut sealed)
            .expect("AES-GCM seals less than 64 GiB");
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        sealed
    }

    /// Decrypts the output of [`seal`](Self::seal); `None` if the data, the name or the root key
    /// differs.
    pub(crate) fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut secret = Zeroizing::new(ciphertext.to_vec());
        let length =
            self.sealing_key().open_in_place(nonce, Aad::from(name), &mut secret).ok()?.len();
        secret.truncate(length);
        Some(secret)
    }

    /// Derives the key for one purpose, which reveals no other key (RFC 5869; `purpose` is `info`).
    pub(crate) fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Salt::new(HKDF_SHA256, &[])
            .extract(&*self.0)
            .expand(&[purpose.as_bytes()], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut *key))
            .expect("HKDF gives 32 bytes");
        key
    }

    fn sealing_key(&self) -> RandomizedNonceKey {
        let key = self.derive("tandem: seal signing keys, v1");
        RandomizedNonceKey::new(&AES_256_GCM, &*key).expect("the key has 32 bytes")
    }
}

impl FromStr for RootKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new).ok();
        let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        bytes
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or("expected 32 bytes in base64: generate them with `openssl rand -base64 32`")
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey")
    }
}

/// A root key read from a file; parses the file's path.
#[derive(Clone, Debug)]
pub(crate) struct RootKeyFile(pub(crate) RootKey);

impl FromStr for RootKeyFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let text = Zeroizing::new(shared::config::read_value(path)?);
        text.parse().map(Self).map_err(|rule: &str| format!("invalid content: {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root_key(byte: u8) -> RootKey {
        STANDARD.encode([byte; 32]).parse().unwrap()
    }

    #[test]
    fn a_sealed_secret_opens_with_the_same_key_and_name_only() {
        let sealed = root_key(1).seal("a", b"secret");
        assert_eq!(root_key(1).open("a", &sealed).unwrap().as_slice(), b"secret");
        assert!(root_key(2).open("a", &sealed).is_none());
        assert!(root_key(1).open("b", &sealed).is_none());
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(root_key(1).open("a", &changed).is_none(), "byte {i}");
            assert!(root_key(1).open("a", &sealed[..i]).is_none(), "first {i} bytes");
        }
        assert_ne!(sealed, root_key(1).seal("a", b"secret"), "the nonce is fresh");
    }

    #[test]
    fn a_root_key_has_exactly_32_bytes_and_is_never_printed() {
        let text = STANDARD.encode([7; 32]);
        assert!(format!("{text}\n").parse::<RootKey>().is_ok(), "a file ends in a newline");
        assert_eq!(format!("{:?}", text.parse::<RootKey>().unwrap()), "RootKey");
        for bad in ["", "secret", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])] {
            assert!(bad.parse::<RootKey>().is_err(), "{bad}");
        }
    }
}
