//! Rows of `auth.users` as accounts and users.

use chrono::{DateTime, Utc};
use shared::ids::UserId;

use crate::domain::{
    role::Roles,
    user::{Account, User, Username},
};

/// A user with their stored credentials.
pub(super) struct AccountRow {
    pub(super) id: UserId,
    pub(super) username: Username,
    pub(super) create_time: DateTime<Utc>,
    pub(super) update_time: DateTime<Utc>,
    pub(super) roles: Roles,
    pub(super) disabled: bool,
    pub(super) delete_time: Option<DateTime<Utc>>,
    pub(super) purge_time: Option<DateTime<Utc>>,
    pub(super) password_hash: String,
    pub(super) password_version: i32,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        let user = User {
            id: row.id,
            username: row.username,
            create_time: row.create_time,
            update_time: row.update_time,
            roles: row.roles,
            disabled: row.disabled,
            delete_time: row.delete_time,
            purge_time: row.purge_time,
        };
        let (password_hash, password_version) = (row.password_hash, row.password_version);
        Self { user, password_hash, password_version }
    }
}

/// The columns of a user, for a query that is not checked at compile time.
#[derive(sqlx::FromRow)]
pub(super) struct UserRow {
    id: uuid::Uuid,
    username: Username,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
    roles: Roles,
    disabled: bool,
    delete_time: Option<DateTime<Utc>>,
    purge_time: Option<DateTime<Utc>>,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id.into(),
            username: row.username,
            create_time: row.create_time,
            update_time: row.update_time,
            roles: row.roles,
            disabled: row.disabled,
            delete_time: row.delete_time,
            purge_time: row.purge_time,
        }
    }
}
