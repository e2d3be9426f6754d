//! Key pairs that sign access tokens.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use shared::auth::{Claims, Jwk, TOKEN_TYPE};
use zeroize::Zeroizing;

use super::root_key::RootKey;

/// A P-256 key pair, ready to sign. Never printed.
pub(crate) struct SigningKey {
    jwk: Jwk,
    encoding_key: EncodingKey,
}

/// A key pair as stored in the database: useless without the root key.
pub(crate) struct SealedSigningKey {
    /// The public key's RFC 7638 thumbprint.
    pub(crate) kid: String,
    /// The private key in PKCS #8, sealed under the kid.
    pub(crate) private_key: Vec<u8>,
}

impl SigningKey {
    /// Generates a key pair for the database.
    pub(crate) fn generate(root_key: &RootKey) -> SealedSigningKey {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .expect("the system has randomness");
        let key = Self::from_pkcs8(document.as_ref()).expect("a generated key is valid");
        let private_key = root_key.seal(key.kid(), document.as_ref());
        SealedSigningKey { kid: key.kid().to_owned(), private_key }
    }

    /// Opens a stored key pair; `None` if another root key sealed it.
    pub(crate) fn open(sealed: &SealedSigningKey, root_key: &RootKey) -> Option<Self> {
        let pkcs8 = root_key.open(&sealed.kid, &sealed.private_key)?;
        Self::from_pkcs8(&pkcs8).filter(|key| key.kid() == sealed.kid)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).ok()?;
        // An uncompressed point (SEC 1, section 2.3.3): 4, x, y.
        let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        // RFC 7638, section 3: the required members in lexicographic order, without white space.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()));
        let jwk = Jwk {
            kty: "EC".to_owned(),
            crv: Some("P-256".to_owned()),
            x: Some(x),
            y: Some(y),
            kid: Some(kid),
            use_: Some("sig".to_owned()),
            alg: Some("ES256".to_owned()),
            key_ops: None,
        };
        Some(Self { jwk, encoding_key: EncodingKey::from_ec_der(&Zeroizing::new(pkcs8.to_vec())) })
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Signs an access token (RFC 9068).
    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid.clone_from(&self.jwk.kid);
        jsonwebtoken::encode(&header, claims, &self.encoding_key)
            .expect("claims serialize to JSON and the key signs ES256")
    }

    fn kid(&self) -> &str {
        self.jwk.kid.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_key_opens_with_its_root_key_and_under_its_own_kid_only() {
        let root_key = |text: &str| -> RootKey { (text.repeat(42) + "A=").parse().unwrap() };
        let (ours, theirs) = (root_key("A"), root_key("B"));
        let sealed = SigningKey::generate(&ours);
        let key = SigningKey::open(&sealed, &ours).unwrap();
        assert_eq!(key.jwk().kid.as_deref(), Some(sealed.kid.as_str()));
        assert!(SigningKey::open(&sealed, &theirs).is_none());
        let renamed = SealedSigningKey { kid: "other".to_owned(), ..sealed };
        assert!(SigningKey::open(&renamed, &ours).is_none());
    }
}
