//! TLS of the listener: rustls with certificates that are reloaded when their files change.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use shared::config::{TlsConfig, read_pem};
use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _, time::ASN1Time};

/// The interval between checks of the files.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

const CERT: &str = "SERVER_TLS_CERT_FILE";
const KEY: &str = "SERVER_TLS_KEY_FILE";
const CLIENT_CA: &str = "SERVER_TLS_CLIENT_CA_FILE";

/// The TLS of a listener.
pub(crate) struct Tls {
    config: TlsConfig,
    current: ArcSwap<ServerConfig>,
}

impl Tls {
    /// The TLS of a listener at this address; `None` if it may speak plaintext.
    ///
    /// # Errors
    /// Every mistake in the settings and their files.
    pub(crate) fn load(
        config: &TlsConfig,
        address: SocketAddr,
    ) -> Result<Option<Arc<Self>>, Vec<String>> {
        let (current, mut mistakes) = read(config);
        if !config.is_allowed_at(address) {
            mistakes.push(format!(
                "{CERT}: is required at {address}, which other machines can reach; behind a proxy \
                 that terminates TLS, set SERVER_ALLOW_PLAINTEXT=true"
            ));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let config = config.clone();
        Ok(current.map(|current| Arc::new(Self { config, current: ArcSwap::new(current) })))
    }

    /// The handshake of a connection, with the current certificates.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }

    /// Reloads the files when they change, until the future is dropped. If the new files cannot be
    /// used, the log says why and the previous certificates stay.
    pub(crate) async fn follow_files(&self) {
        let mut seen = versions(&self.config);
        loop {
            sleep(RELOAD_INTERVAL).await;
            let versions = versions(&self.config);
            if versions == seen {
                continue;
            }
            match read(&self.config) {
                (Some(current), mistakes) if mistakes.is_empty() => {
                    self.current.store(current);
                    tracing::info!("certificates reloaded");
                }
                (_, mistakes) => {
                    let reason = mistakes.join("; ");
                    tracing::error!(
                        reason,
                        "cannot reload certificates, keeping the previous ones"
                    );
                }
            }
            seen = versions;
        }
    }
}

/// Every mistake in the TLS settings of a listener at this address, and in their files.
#[must_use]
pub fn mistakes(config: &TlsConfig, address: SocketAddr) -> Vec<String> {
    Tls::load(config, address).err().unwrap_or_default()
}

/// The TLS configuration, if a certificate and its key are set; and every mistake in the files.
fn read(config: &TlsConfig) -> (Option<Arc<ServerConfig>>, Vec<String>) {
    let TlsConfig { cert_file, key_file, client_ca_file, .. } = config;
    let mut mistakes = Vec::new();
    let certs = read_file(CERT, cert_file.as_deref(), chain, &mut mistakes);
    let key = read_file(KEY, key_file.as_deref(), key, &mut mistakes);
    let verifier = read_file(CLIENT_CA, client_ca_file.as_deref(), verifier, &mut mistakes);
    match (cert_file, key_file, client_ca_file) {
        (Some(_), None, _) => mistakes.push(format!("{KEY}: is required with {CERT}")),
        (None, Some(_), _) => mistakes.push(format!("{CERT}: is required with {KEY}")),
        (None, None, Some(_)) => {
            mistakes.push(format!("{CERT} and {KEY}: are required with {CLIENT_CA}"));
        }
        (None, None, None) | (Some(_), Some(_), _) => {}
    }
    let (Some(certs), Some(key)) = (certs, key) else { return (None, mistakes) };
    let builder = match verifier {
        None => ServerConfig::builder().with_no_client_auth(),
        Some(verifier) => ServerConfig::builder().with_client_cert_verifier(verifier),
    };
    match builder.with_single_cert(certs, key) {
        Ok(mut config) => {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            (Some(Arc::new(config)), mistakes)
        }
        Err(error) => {
            mistakes.push(format!("{CERT} and {KEY}: do not match: {error}"));
            (None, mistakes)
        }
    }
}

/// The parsed content of a file, if one is set; otherwise adds a mistake.
fn read_file<T>(
    setting: &str,
    file: Option<&Path>,
    parse: impl FnOnce(&[u8]) -> Result<T, String>,
    mistakes: &mut Vec<String>,
) -> Option<T> {
    let file = file?;
    let parsed = read_pem(file).and_then(|pem| parse(&pem));
    parsed.map_err(|rule| mistakes.push(format!("{setting}: {}: {rule}", file.display()))).ok()
}

/// The chain that clients verify. They would reject an expired certificate.
fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certs = certs(pem)?;
    let (_, first) = X509Certificate::from_der(&certs[0])
        .map_err(|error| format!("its first certificate cannot be read: {error}"))?;
    let end = first.validity().not_after;
    if end < ASN1Time::now() { Err(format!("expired on {end}")) } else { Ok(certs) }
}

fn certs(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certs = certs.map_err(|error| format!("is not a list of PEM certificates: {error}"))?;
    if certs.is_empty() { Err("has no certificate".to_owned()) } else { Ok(certs) }
}

fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("has no private key: {error}"))
}

fn verifier(pem: &[u8]) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certs(pem)?);
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    verifier.map_err(|error| format!("has no usable root of client certificates: {error}"))
}

/// Changes when a file is written or replaced.
fn versions(config: &TlsConfig) -> Vec<Option<(SystemTime, u64)>> {
    let files = [&config.cert_file, &config.key_file, &config.client_ca_file];
    let version = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    files.into_iter().flatten().map(version).collect()
}
