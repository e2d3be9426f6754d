//! What the database's errors mean to a caller. Unique and foreign keys are not here: only the file
//! that writes a table knows what its constraints say.

use sqlx::migrate::MigrateError;

use super::Error;

/// What the operator has to do before the database lets a service go on.
#[derive(Debug, thiserror::Error)]
enum Advice {
    #[error(
        "the role that DATABASE_URL names lacks a privilege: deploy/roles.sql grants each service \
         its own tables, and only their owner can migrate them"
    )]
    Privilege(#[source] sqlx::Error),
    #[error("PostgreSQL refuses the role, the password or the database that DATABASE_URL names")]
    Place(#[source] sqlx::Error),
    #[error(
        "TLS with the database fails: `sslmode` and `sslrootcert` in DATABASE_URL say what is \
         expected of it"
    )]
    Tls(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    /// Maps by kind and SQLSTATE, never by message text.
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => match database.code().as_deref() {
                // serialization_failure, deadlock_detected, lock_not_available
                Some("40001" | "40P01" | "55P03") => Self::Conflict(error.into()),
                // query_canceled: `statement_timeout` is the only one who cancels
                Some("57014") => Self::DeadlineExceeded(error.into()),
                // connection exceptions, insufficient resources, operator intervention,
                // read_only_sql_transaction (a standby that has not been promoted yet)
                Some(state) if ["08", "53", "57"].iter().any(|class| state.starts_with(class)) => {
                    Self::DatabaseUnavailable(error.into())
                }
                Some("25006") => Self::DatabaseUnavailable(error.into()),
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
