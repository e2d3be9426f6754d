//! An authority that signs certificates for `localhost`.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// A root and the certificates that it signs.
pub struct TestAuthority(CertifiedIssuer<'static, KeyPair>);

impl TestAuthority {
    /// A new one.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "none is like another")]
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("it has no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "a root for tests");
        let key = KeyPair::generate().expect("the system has randomness");
        Self(CertifiedIssuer::self_signed(params, key).expect("it signs itself"))
    }

    /// The root's certificate, in PEM.
    #[must_use]
    pub fn root(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `localhost` and its key, in PEM.
    #[must_use]
    pub fn issue(&self) -> (String, String) {
        self.issue_until(2100)
    }

    /// One that ends with the beginning of this year.
    #[must_use]
    pub fn issue_until(&self, year: i32) -> (String, String) {
        let key = KeyPair::generate().expect("the system has randomness");
        let names = vec!["localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("it is a name");
        params.not_after = date_time_ymd(year, 1, 1);
        let cert = params.signed_by(&key, &self.0).expect("the root signs");
        (cert.pem(), key.serialize_pem())
    }

    /// Writes a new certificate and its key into this folder. Returns the paths.
    pub fn write(&self, dir: &Path) -> (String, String) {
        let (cert, key) = self.issue();
        let (cert_file, key_file) = (dir.join("cert.pem"), dir.join("key.pem"));
        fs::write(&cert_file, cert).expect("the folder is there");
        fs::write(&key_file, key).expect("the folder is there");
        (cert_file.display().to_string(), key_file.display().to_string())
    }
}
