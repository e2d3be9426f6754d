//! Maps the database's errors to ours. Constraint violations are mapped in the file that writes the
//! table.

use sqlx::migrate::MigrateError;

use super::Error;

/// What the operator must do before the service can use the database.
#[derive(Debug, thiserror::Error)]
enum Advice {
    #[error(
        "the role that DATABASE_URL names lacks a privilege: deploy/roles.sql grants each service \
         its own tables, and only their owner can migrate them"
    )]
    Privilege(#[source] sqlx::Error),
    #[error("PostgreSQL rejects the role, the password or the database that DATABASE_URL names")]
    Place(#[source] sqlx::Error),
    #[error("TLS with the database fails: check `sslmode` and `sslrootcert` in DATABASE_URL")]
    Tls(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    /// Maps by kind and SQLSTATE, never by message text.
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match database.code().as_deref() {
                // serialization_failure, deadlock_detected, lock_not_available
                Some("40001" | "40P01" | "55P03") => Self::Conflict(error.into()),
                // query_canceled: by `statement_timeout`
                Some("57014") => Self::DeadlineExceeded(error.into()),
                // connection exceptions, insufficient resources, operator intervention
                Some(state) if ["08", "53", "57"].iter().any(|class| state.starts_with(class)) => {
                    Self::DatabaseUnavailable(error.into())
                }
                // read_only_sql_transaction: a standby that has not been promoted yet
                Some("25006") => Self::DatabaseReadOnly(error.into()),
                // insufficient_privilege
                Some("42501") => Self::Internal(Advice::Privilege(error).into()),
                // invalid authorization, invalid_catalog_name
                Some("28000" | "28P01" | "3D000") => Self::Internal(Advice::Place(error).into()),
                _ => Self::Internal(error.into()),
            },
            sqlx::Error::Tls(_) => Self::DatabaseUnavailable(Advice::Tls(error).into()),
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::DatabaseUnavailable(error.into()),
            _ => Self::Internal(error.into()),
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::Internal(error.into()),
        }
    }
}
