//! The operator's commands on users: `auth-service users create`, `list`, `show` and so on. They
//! work on the database without a running service, for the first administrator and for emergencies.

use std::time::Duration;

use shared::{
    config::DatabaseConfig,
    db::{self, WorkerPool},
    error::Error,
    ids::UserId,
};

use crate::{
    config::BcryptConfig,
    domain::{
        actor::Actor,
        password::PasswordHash,
        role::{self, Roles},
        user::{Account, Change, NewUser, Target, User, Username},
        user_list::{Filter, Order, UserList},
    },
    events::{self, Event},
    store::users::{self, reset},
};

mod args;
mod command;
mod output;
mod password;

use args::UserKey;
pub use command::UserCommand;
use command::{Common, Create, List};
use password::PasswordSource;

/// The clocks of the command and the database may differ: the command compares no times.
const ANY_CLOCK: Duration = Duration::from_secs(u32::MAX as u64);
/// The users that `list` reads at once.
const PAGE: usize = 500;

/// Runs a command. Returns the text to print.
///
/// # Errors
/// The message says what prevents the command and what the operator can do.
pub async fn run(command: UserCommand) -> Result<String, Error> {
    let Common { json, config } = command.common().clone();
    let users = Users::connect(&config.database).await?;
    let changed = match command {
        UserCommand::List(args) => {
            let listed = users.list(*args).await?;
            return Ok(if json { output::json(&listed) } else { output::table(&listed) });
        }
        UserCommand::Create(args) => {
            let Create { username, roles, password, bcrypt, .. } = *args;
            let hash = password.read(&username, bcrypt.cost)?;
            users.create(username, args::roles(roles)?, hash).await
        }
        UserCommand::Show(args) => users.find(&args.user).await.map(|account| account.user),
        UserCommand::SetRoles(args) => {
            let roles = Some(args::roles(args.roles)?);
            users.change(&args.user, Change { roles, ..Change::default() }).await
        }
        UserCommand::Disable(args) => users.set_disabled(&args.user, true).await,
        UserCommand::Enable(args) => users.set_disabled(&args.user, false).await,
        UserCommand::Delete(args) => {
            let delete = Change { deleted: Some(true), ..Change::default() };
            users.apply(&args.user, delete, args.accounts.deleted_user_retention).await
        }
        UserCommand::Undelete(args) => {
            users.change(&args.user, Change { deleted: Some(false), ..Change::default() }).await
        }
        UserCommand::ResetPassword(args) => {
            users.reset_password(&args.user, &args.password, args.bcrypt).await
        }
        UserCommand::ResetTotp(args) => users.reset_totp(&args.user).await,
    };
    let user = changed.map_err(explained)?;
    Ok(if json { output::json_of(&user) } else { output::details(&user) })
}

/// Makes sure that an administrator with this name exists. Returns the password of a new one.
///
/// # Errors
/// The database is unavailable, no user can have this name, or the user is disabled or deleted.
pub async fn ensure_admin(
    database: &DatabaseConfig,
    bcrypt: BcryptConfig,
    username: &str,
) -> Result<Option<String>, Error> {
    let users = Users::connect(database).await?;
    let username = args::username(username).map_err(|rule| rejected(format!("--admin: {rule}")))?;
    match users::find_by_username(&users.db, &username).await? {
        Some(Account { user, .. }) if !user.is_enabled() => Err(rejected(format!(
            "--admin: the user {username} is disabled or deleted; enable or undelete it by \
             `auth-service users`"
        ))),
        Some(Account { user, .. }) if user.roles.has_admin() => Ok(None),
        Some(Account { user, .. }) => {
            let mut roles: Vec<String> = user.roles.into();
            roles.push(role::ADMIN.to_owned());
            let change = Change { roles: Some(args::roles(roles)?), ..Change::default() };
            let name = UserKey::Username(username);
            users.change(&name, change).await.map_err(explained).map(|_| None)
        }
        None => {
            let text = password::generate();
            let hash = password::hash(text.clone(), &username, bcrypt.cost)?;
            let admin = args::roles(vec![role::ADMIN.to_owned()])?;
            users.create(username, admin, hash).await.map_err(explained).map(|_| Some(text))
        }
    }
}

/// The users of a database, changed by a command.
struct Users {
    db: WorkerPool,
}

impl Users {
    async fn connect(database: &DatabaseConfig) -> Result<Self, Error> {
        let (pools, probe) = db::connect(database, "auth-service users", 1, &[], ANY_CLOCK);
        probe.check().await.map_err(|reason| rejected(reason.to_string()))?;
        Ok(Self { db: pools.of_worker(0) })
    }

    async fn find(&self, key: &UserKey) -> Result<Account, Error> {
        let found = match key {
            UserKey::Id(id) => users::find(&self.db, *id).await?,
            UserKey::Username(name) => users::find_by_username(&self.db, name).await?,
        };
        found.ok_or(Error::UserNotFound)
    }

    async fn list(&self, args: List) -> Result<Vec<User>, Error> {
        let filter = Filter {
            username_prefix: args.username_prefix,
            role: args.role,
            disabled: args.disabled.then_some(true),
            ..Filter::default()
        };
        let order = Order::parse("username").expect("it is an order");
        let list = UserList { filter, order, show_deleted: args.show_deleted };
        let mut all = Vec::new();
        loop {
            let cursor = all.last().map(|user| order.cursor(user));
            let page = users::list(&self.db, &list, cursor.as_ref(), PAGE).await?;
            let is_last = page.len() < PAGE;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    async fn create(
        &self,
        username: Username,
        roles: Roles,
        password_hash: PasswordHash,
    ) -> Result<User, Error> {
        let id = UserId::generate();
        let user =
            NewUser { id, username, password_hash, roles, disabled: false, request_id: None };
        let mut created = users::create(&self.db, &Actor::Command, &[user]).await?;
        events::log_change(&Event::UserCreated.name(), id, &Actor::Command);
        Ok(created.pop().expect("one user is created"))
    }

    async fn set_disabled(&self, key: &UserKey, disabled: bool) -> Result<User, Error> {
        self.change(key, Change { disabled: Some(disabled), ..Change::default() }).await
    }

    /// A change other than a deletion.
    async fn change(&self, key: &UserKey, change: Change) -> Result<User, Error> {
        self.apply(key, change, Duration::ZERO).await
    }

    /// A deleted user is purged after `retention`.
    async fn apply(
        &self,
        key: &UserKey,
        change: Change,
        retention: Duration,
    ) -> Result<User, Error> {
        let target = Target { id: self.find(key).await?.user.id, etag: None };
        let changed = users::change(&self.db, &Actor::Command, target, &change, retention).await?;
        for event in &changed.events {
            events::log_change(event, target.id, &Actor::Command);
        }
        Ok(changed.user)
    }

    async fn reset_password(
        &self,
        key: &UserKey,
        password: &PasswordSource,
        bcrypt: BcryptConfig,
    ) -> Result<User, Error> {
        let user = self.find(key).await?.user;
        if user.delete_time.is_some() {
            return Err(Error::UserDeleted);
        }
        let hash = password.read(&user.username, bcrypt.cost)?;
        reset::set_password(&self.db, &Actor::Command, user.id, &hash).await?;
        events::log_change(&Event::PasswordReset.name(), user.id, &Actor::Command);
        Ok(self.find(key).await?.user)
    }

    async fn reset_totp(&self, key: &UserKey) -> Result<User, Error> {
        let id = self.find(key).await?.user.id;
        reset::reset_totp(&self.db, &Actor::Command, id).await?;
        events::log_change(&Event::TotpReset.name(), id, &Actor::Command);
        Ok(self.find(key).await?.user)
    }
}

/// An error whose text is for the operator.
fn rejected(message: impl Into<String>) -> Error {
    Error::Internal(message.into().into())
}

/// The log shows an error's causes; that of a call has none but its own text.
fn explained(error: Error) -> Error {
    match error {
        Error::DatabaseUnavailable(_) | Error::Internal(_) => error,
        error => rejected(error.to_string()),
    }
}
