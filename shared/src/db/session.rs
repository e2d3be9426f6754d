//! The settings of every database session, and the checks of the server behind it.
//!
//! A role, a database, the URL's `options` or a pooler can set anything. Whatever the SQL relies on
//! is therefore set for each session, and checked when the probe connects.

use std::time::Duration;

use sqlx::{PgConnection, postgres::PgConnectOptions};

use crate::{config::DatabaseConfig, error::Error};

/// The oldest supported version, as `server_version_num`.
const MIN_VERSION: i32 = 150_000;

/// Every session's settings beside its time-outs.
const PINNED: [(&str, &str); 10] = [
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    // Without `public`, whose objects could shadow operators and functions. Tables are qualified.
    ("search_path", "pg_catalog"),
    ("bytea_output", "hex"),
    // An error instead of rows that a policy hides.
    ("row_security", "off"),
    ("idle_session_timeout", "0"),
    // PostgreSQL ends a statement whose connection is closed, at the latest after so many ms.
    ("client_connection_check_interval", "50"),
    ("transform_null_equals", "off"),
];

/// The settings of a session, in PostgreSQL's own units.
pub(super) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    /// The settings of sessions that serve calls.
    pub(super) fn of_calls(config: &DatabaseConfig, planning: &[(&'static str, &str)]) -> Self {
        let (idle, milliseconds) = (config.idle_in_transaction_timeout, |duration: Duration| {
            duration.as_millis().to_string()
        });
        let mut settings = Self::pinned();
        settings.0.extend([
            ("statement_timeout", milliseconds(config.statement_timeout)),
            ("lock_timeout", milliseconds(config.lock_timeout)),
            ("idle_in_transaction_session_timeout", milliseconds(idle)),
        ]);
        settings.0.extend(planning.iter().map(|(name, value)| (*name, (*value).to_owned())));
        settings
    }

    /// The settings of sessions that migrate. They have no time-outs, since a migration may take
    /// long and waits for those of other instances.
    pub(super) fn of_migrations() -> Self {
        let mut settings = Self::pinned();
        let timeouts = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
        settings.0.extend(timeouts.map(|name| (name, "0".to_owned())));
        settings
    }

    fn pinned() -> Self {
        Self(PINNED.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    /// `connect` with these settings. They follow any `options` of the URL and so override them.
    pub(super) fn apply_to(&self, connect: PgConnectOptions) -> PgConnectOptions {
        connect.options(self.0.iter().cloned())
    }

    /// Logs the settings that the session lacks, as `alter role … set` takes them.
    pub(super) async fn warn_if_dropped(&self, connection: &mut PgConnection) -> Result<(), Error> {
        let (names, values): (Vec<_>, Vec<_>) = self.0.iter().cloned().unzip();
        let dropped = sqlx::query_scalar!(
            r#"select wanted.name || ' = ' || quote_literal(wanted.value) as "setting!"
             from unnest($1::text[], $2::text[]) as wanted (name, value)
             join pg_settings as found using (name)
             where found.setting <> wanted.value"#,
            &names as _,
            &values,
        );
        let dropped = dropped.fetch_all(connection).await?.join(", ");
        if !dropped.is_empty() {
            tracing::warn!(
                settings = dropped,
                "sessions lack settings, as behind a pooler that drops them: set them on the role"
            );
        }
        Ok(())
    }
}

/// Rejects a server that the SQL does not run on.
pub(super) async fn check_server(connection: &mut PgConnection) -> Result<(), Error> {
    let server = sqlx::query!(
        r#"select
            current_setting('server_version_num')::integer as "version!",
            current_setting('server_encoding') as "encoding!""#
    );
    let server = server.fetch_one(connection).await?;
    if server.version < MIN_VERSION {
        let (found, oldest) = (server.version / 10_000, MIN_VERSION / 10_000);
        let reason = format!("PostgreSQL {found} is too old: {oldest} or newer is required");
        return Err(Error::Internal(reason.into()));
    }
    if server.encoding != "UTF8" {
        let reason = format!(
            "the database's encoding is {}: create it with `encoding 'UTF8' template template0`",
            server.encoding
        );
        return Err(Error::Internal(reason.into()));
    }
    Ok(())
}

/// [`Error::DatabaseReadOnly`] for a standby or a read-only session.
pub(super) async fn check_writable(connection: &mut PgConnection) -> Result<(), Error> {
    let read_only = sqlx::query_scalar!(
        r#"select pg_is_in_recovery() or current_setting('transaction_read_only') = 'on'
            as "read_only!""#
    );
    if read_only.fetch_one(connection).await? {
        let reason = "it is a standby or set to read-only: DATABASE_URL must name the primary";
        return Err(Error::DatabaseReadOnly(reason.into()));
    }
    Ok(())
}
