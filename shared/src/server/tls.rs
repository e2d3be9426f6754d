//! TLS of the listener: rustls with certificates that are read again when their files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{config::TlsConfig, error::Error};

/// How often the files are looked at.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// What a listener needs to speak TLS.
pub(super) struct Tls {
    files: Files,
    current: ArcSwap<ServerConfig>,
}

/// Where everything is.
#[derive(Clone)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl Tls {
    /// From the files that are configured; `None` if there are none.
    ///
    /// # Errors
    /// Says which file cannot be used, and why.
    pub(super) fn load(config: &TlsConfig) -> Result<Option<Arc<Self>>, Error> {
        let (cert, key) = match (&config.cert_file, &config.key_file) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) if config.client_ca_file.is_none() => return Ok(None),
            _ => {
                let rule =
                    "set both SERVER_TLS_CERT_FILE and SERVER_TLS_KEY_FILE, or no file of TLS";
                return Err(Error::Internal(rule.into()));
            }
        };
        let client_ca = config.client_ca_file.clone();
        let files = Files { cert: cert.clone(), key: key.clone(), client_ca };
        let current = files.read().map_err(|reason| Error::Internal(reason.into()))?;
        Ok(Some(Arc::new(Self { files, current: ArcSwap::new(current) })))
    }

    /// The handshake of a connection, with the certificates of this moment.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }

    /// Takes over new files when they change, for ever. While they are of no use, those from before
    /// stay; the log says why.
    pub(super) async fn follow_files(&self) {
        let mut seen = self.files.versions();
        loop {
            sleep(RELOAD_INTERVAL).await;
            let versions = self.files.versions();
            if versions == seen {
                continue;
            }
            match self.files.read() {
                Ok(current) => {
                    self.current.store(current);
                    tracing::info!("the certificates were read anew");
                }
                Err(reason) => tracing::error!(%reason, "keeping the certificates from before"),
            }
            seen = versions;
        }
    }
}

impl Files {
    fn read(&self) -> Result<Arc<ServerConfig>, String> {
        let certs = read_certs(&self.cert)?;
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|error| format!("no private key in {}: {error}", self.key.display()))?;
        let builder = match &self.client_ca {
            None => ServerConfig::builder().with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(read_certs(path)?);
                let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
                let verifier = verifier.map_err(|error| format!("{}: {error}", path.display()))?;
                ServerConfig::builder().with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(certs, key).map_err(|error| {
            let (cert, key) = (self.cert.display(), self.key.display());
            format!("{cert} and {key} do not go together: {error}")
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// Different when a file was written or replaced.
    fn versions(&self) -> Vec<Option<(SystemTime, u64)>> {
        let paths = [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()];
        let version = |path: &PathBuf| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        paths.into_iter().flatten().map(version).collect()
    }
}

fn read_certs(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certs = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let certs: Vec<_> = certs.map_err(|error| format!("{}: {error}", path.display()))?;
    if certs.is_empty() {
        return Err(format!("no certificate in {}", path.display()));
    }
    Ok(certs)
}
