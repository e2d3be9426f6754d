//! A certificate authority for `localhost`.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// A root certificate that signs others.
pub struct TestAuthority(CertifiedIssuer<'static, KeyPair>);

impl TestAuthority {
    /// Generates a new root.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each has a new key")]
    pub fn new() -> Self {
        let mut params =
            CertificateParams::new(Vec::new()).expect("an empty list of names is valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "test root");
        let key = KeyPair::generate().expect("the system has randomness");
        Self(CertifiedIssuer::self_signed(params, key).expect("the root signs itself"))
    }

    /// The root's certificate, in PEM.
    #[must_use]
    pub fn root(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for `localhost` and its key, in PEM.
    #[must_use]
    pub fn issue(&self) -> (String, String) {
        self.issue_until(2100)
    }

    /// Issues a certificate that expires at the beginning of this year.
    #[must_use]
    pub fn issue_until(&self, year: i32) -> (String, String) {
        let key = KeyPair::generate().expect("the system has randomness");
        let names = vec!["localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("localhost is a valid name");
        params.not_after = date_time_ymd(year, 1, 1);
        let cert = params.signed_by(&key, &self.0).expect("the root signs");
        (cert.pem(), key.serialize_pem())
    }

    /// Writes a new certificate and its key to this directory. Returns the paths.
    pub fn write(&self, dir: &Path) -> (String, String) {
        let (cert, key) = self.issue();
        let (cert_file, key_file) = (dir.join("cert.pem"), dir.join("key.pem"));
        fs::write(&cert_file, cert).expect("the directory exists");
        fs::write(&key_file, key).expect("the directory exists");
        (cert_file.display().to_string(), key_file.display().to_string())
    }
}
