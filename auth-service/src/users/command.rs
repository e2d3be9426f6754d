//! The arguments of the commands.

use clap::Args;
use shared::config::{MigrateConfig, TelemetryConfig};

use super::{
    args::{self, UserKey, username, username_prefix},
    password::PasswordSource,
};
use crate::{
    config::{AccountConfig, BcryptConfig},
    domain::user::Username,
};

/// A command on users.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum UserCommand {
    /// Create a user, for example the first administrator
    Create(Box<Create>),
    /// List users
    List(Box<List>),
    /// Show a user
    Show(Box<One>),
    /// Replace the roles of a user, which ends all sessions of the user
    SetRoles(Box<SetRoles>),
    /// Disable a user, which ends all sessions of the user
    Disable(Box<One>),
    /// Enable a disabled user
    Enable(Box<One>),
    /// Delete a user, which ends all sessions of the user; until the purge it can be undone
    Delete(Box<Delete>),
    /// Restore a deleted user
    Undelete(Box<One>),
    /// Set a new password for a user, which ends all sessions of the user
    ResetPassword(Box<ResetPassword>),
    /// Disable the second factor of a user, which ends all sessions of the user
    ResetTotp(Box<One>),
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Print JSON, in the form of the API
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) config: MigrateConfig,
}

/// The arguments of `create`.
#[derive(Clone, Debug, Args)]
pub struct Create {
    /// Name of the new user
    #[arg(value_parser = username)]
    pub(super) username: Username,
    /// A role of the new user. Repeat the option for more. The role admin can call the AdminService
    #[arg(long = "role", value_name = "ROLE", value_parser = args::role)]
    pub(super) roles: Vec<String>,
    #[command(flatten)]
    pub(super) password: PasswordSource,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) bcrypt: BcryptConfig,
}

/// The arguments of `list`.
#[derive(Clone, Debug, Args)]
pub struct List {
    /// Only users whose name begins with this text
    #[arg(long, value_name = "TEXT", value_parser = username_prefix, default_value = "")]
    pub(super) username_prefix: String,
    /// Only users with this role
    #[arg(long, value_parser = args::role)]
    pub(super) role: Option<String>,
    /// Only disabled users
    #[arg(long)]
    pub(super) disabled: bool,
    /// Deleted users too
    #[arg(long)]
    pub(super) show_deleted: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// The arguments of a command on one user.
#[derive(Clone, Debug, Args)]
pub struct One {
    /// Name or id of the user
    pub(super) user: UserKey,
    #[command(flatten)]
    pub(super) common: Common,
}

/// The arguments of `set-roles`.
#[derive(Clone, Debug, Args)]
pub struct SetRoles {
    /// Name or id of the user
    pub(super) user: UserKey,
    /// All roles that the user has from now on; none removes every role
    #[arg(value_name = "ROLE", value_parser = args::role)]
    pub(super) roles: Vec<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// The arguments of `delete`.
#[derive(Clone, Debug, Args)]
pub struct Delete {
    /// Name or id of the user
    pub(super) user: UserKey,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) accounts: AccountConfig,
}

/// The arguments of `reset-password`.
#[derive(Clone, Debug, Args)]
pub struct ResetPassword {
    /// Name or id of the user
    pub(super) user: UserKey,
    #[command(flatten)]
    pub(super) password: PasswordSource,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) bcrypt: BcryptConfig,
}

impl UserCommand {
    /// The settings of the log.
    #[must_use]
    pub fn telemetry(&self) -> &TelemetryConfig {
        &self.common().config.telemetry
    }

    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Create(args) => &args.common,
            Self::List(args) => &args.common,
            Self::SetRoles(args) => &args.common,
            Self::Delete(args) => &args.common,
            Self::ResetPassword(args) => &args.common,
            Self::Show(args)
            | Self::Disable(args)
            | Self::Enable(args)
            | Self::Undelete(args)
            | Self::ResetTotp(args) => &args.common,
        }
    }
}
