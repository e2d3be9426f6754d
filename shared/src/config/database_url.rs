//! The connection URL of the database: from a variable or a file, parsed, and never printed.

use std::{fmt, net::IpAddr, str::FromStr};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Where the database is. The URL holds a password, so it can be in a file.
#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct DatabasePlace {
    /// Connection URL of the database: `postgres://user:password@host/database`. Unless the host is
    /// this machine or the URL has an `sslmode`, TLS with a verified certificate is required.
    /// Required unless DATABASE_URL_FILE is set.
    #[arg(
        id = "database_url",
        long = "database-url",
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    url: Option<DatabaseUrl>,

    /// Path of a file or pipe that holds the connection URL.
    #[arg(
        id = "database_url_file",
        long = "database-url-file",
        env = "DATABASE_URL_FILE",
        value_name = "PATH"
    )]
    file: Option<DatabaseUrlFile>,
}

impl DatabasePlace {
    /// The URL, from the variable or the file.
    pub(crate) fn url(&self) -> &DatabaseUrl {
        let from_file = self.file.as_ref().map(|DatabaseUrlFile(url)| url);
        self.url.as_ref().or(from_file).expect("the argument group requires a URL")
    }
}

impl FromStr for DatabasePlace {
    type Err = String;

    /// The database at this URL.
    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Ok(Self { url: Some(url.parse()?), file: None })
    }
}

/// A parsed connection URL.
///
/// TLS with a verified certificate is the default for another host. An `sslmode` in the URL
/// overrides it, except for `allow` and `prefer`, which fall back to plaintext silently.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(PgConnectOptions);

impl DatabaseUrl {
    /// How to connect.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        // sqlx sets it for floating-point numbers. We have none, and poolers reject it.
        self.0.clone().extra_float_digits(None)
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser's own message could contain a part of the URL, such as the password.
        let malformed = || {
            "expected postgres://user:password@host:port/database, where @, / and # of a password \
             are written %40, %2F and %23"
                .to_owned()
        };
        let url = Url::parse(text).map_err(|_| malformed())?;
        let is_ours = matches!(url.scheme(), "postgres" | "postgresql");
        // Either is the rest of a password with an unescaped character.
        let is_cut = url.fragment().is_some() || url.path().matches('/').count() > 1;
        if !is_ours || is_cut {
            return Err(malformed());
        }
        let mode = url.query_pairs().find(|(key, _)| matches!(&**key, "sslmode" | "ssl-mode"));
        if mode.as_ref().is_some_and(|(_, mode)| PgSslMode::from_str(mode).is_err()) {
            return Err("sslmode must be verify-full, verify-ca, require or disable".to_owned());
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| malformed())?;
        let chosen = mode.is_some();
        match options.get_ssl_mode() {
            _ if is_local(&options) => Ok(Self(options)),
            PgSslMode::Allow | PgSslMode::Prefer if chosen => {
                Err("sslmode=allow and sslmode=prefer fall back to plaintext silently; \
                 use verify-full, or disable for plaintext"
                    .to_owned())
            }
            _ if chosen => Ok(Self(options)),
            _ => Ok(Self(options.ssl_mode(PgSslMode::VerifyFull))),
        }
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host == "localhost"
        || host.starts_with('/')
        || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl")
    }
}

/// A database URL that was read from the file whose path was parsed.
#[derive(Clone, Debug)]
struct DatabaseUrlFile(DatabaseUrl);

impl FromStr for DatabaseUrlFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, Self::Err> {
        let text = super::read_value(path)?;
        text.trim().parse().map(Self).map_err(|rule| format!("its content is not valid: {rule}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssl_mode(url: &str) -> Result<String, String> {
        let DatabaseUrl(options) = url.parse()?;
        Ok(format!("{:?}", options.get_ssl_mode()))
    }

    #[test]
    fn tls_is_verified_unless_the_host_is_this_machine_or_the_url_has_an_sslmode() {
        for (url, mode) in [
            ("postgres://db.example/tandem", "VerifyFull"),
            ("postgres://10.0.0.7/tandem", "VerifyFull"),
            ("postgres://db.example/tandem?sslmode=disable", "Disable"),
            ("postgres://db.example/tandem?sslmode=verify-ca", "VerifyCa"),
            ("postgres://localhost/tandem", "Prefer"),
            ("postgresql://127.0.0.1:5432/tandem", "Prefer"),
            ("postgres://db.example/tandem?host=/run/postgresql", "Prefer"),
        ] {
            assert_eq!(ssl_mode(url).as_deref(), Ok(mode), "{url}");
        }
        let prefer = ssl_mode("postgres://db.example/tandem?sslmode=prefer").unwrap_err();
        assert!(prefer.contains("verify-full"), "{prefer}");
        let bogus = ssl_mode("postgres://db.example/tandem?sslmode=bogus").unwrap_err();
        assert!(bogus.starts_with("sslmode must be"), "{bogus}");
    }

    #[test]
    fn a_malformed_url_is_rejected_and_never_printed() {
        for url in [
            "",
            "tandem",
            "mysql://root:hunter2@h/d",
            "postgres://u:hunter2@h:notaport/d",
            "postgres://u:p@s/hunter2@h/d",
            "postgres://u:p#hunter2@h/d",
        ] {
            let error = ssl_mode(url).unwrap_err();
            assert!(error.starts_with("expected postgres://") && !error.contains("hunter2"));
        }
    }
}
