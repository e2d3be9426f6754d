//! What the program is asked to do: `serve`, `migrate`, `healthcheck` or `keys`.

use auth_service::KeyCommand;
use shared::config::{CommandLine, ConfigError};

// Not a comment of documentation: it would take the place of the program's description.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to do.
    // Values are not repeated in errors: somebody may put a URL with a password there. The places
    // are numbered because reading on after a mistake changes the order of the arguments.
    #[arg(
        index = 1,
        value_enum,
        default_value = "serve",
        value_name = "COMMAND",
        hide_env_values = true
    )]
    command: Name,

    /// What to do with the signing keys, after `keys`.
    #[arg(index = 2, value_enum, value_name = "ACTION", hide_env_values = true)]
    action: Option<Action>,

    /// Which key to revoke, after `keys revoke`.
    // One in 64 begins with a hyphen.
    #[arg(index = 3, value_name = "KID", hide_env_values = true, allow_hyphen_values = true)]
    kid: Option<String>,

    /// With `keys rotate`: the key signs as soon as all instances publish it, after twice
    /// AUTH_KEY_REFRESH_MS. Verifiers that do not fetch the keys when a token names an unknown one
    /// refuse its tokens until they do.
    #[arg(long)]
    now: bool,

    /// With `keys revoke`: although the root key opens none of the keys in the database, since the
    /// one that does is lost.
    #[arg(long)]
    lost_root_key: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Answer calls until SIGTERM or SIGINT
    Serve,
    /// Bring the database to the newest schema and exit
    Migrate,
    /// Exit with 0 if the service at the operations port is ready for calls, otherwise with 1
    Healthcheck,
    /// Show or change the signing keys and exit
    Keys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Show all keys
    List,
    /// Publish the next key, which signs after the lead
    Rotate,
    /// Have a key refused at once, and all that it has signed
    Revoke,
}

/// What the program is asked to do.
pub(crate) enum Command {
    Serve,
    Migrate,
    Healthcheck,
    Keys(KeyCommand),
}

/// The command that the command line names; ends the program if it makes no sense.
pub(crate) fn or_exit(command_line: &CommandLine) -> Command {
    let arguments = command_line.settings_or_exit();
    parse(arguments).unwrap_or_else(|mistake| {
        ConfigError::Mistakes(vec![mistake.to_owned()]).exit();
    })
}

fn parse(arguments: Arguments) -> Result<Command, &'static str> {
    let Arguments { command, action, kid, now, lost_root_key } = arguments;
    if now && action != Some(Action::Rotate) {
        return Err("--now: belongs to `keys rotate`");
    }
    if lost_root_key && action != Some(Action::Revoke) {
        return Err("--lost-root-key: belongs to `keys revoke`");
    }
    match (command, action, kid) {
        (Name::Serve, None, None) => Ok(Command::Serve),
        (Name::Migrate, None, None) => Ok(Command::Migrate),
        (Name::Healthcheck, None, None) => Ok(Command::Healthcheck),
        (Name::Keys, Some(Action::List), None) => Ok(Command::Keys(KeyCommand::List)),
        (Name::Keys, Some(Action::Rotate), None) => Ok(Command::Keys(KeyCommand::Rotate { now })),
        (Name::Keys, Some(Action::Revoke), Some(kid)) => {
            Ok(Command::Keys(KeyCommand::Revoke { kid, lost_root_key }))
        }
        (Name::Keys, None, _) => Err("ACTION: `keys` needs one of list, rotate, revoke"),
        (Name::Keys, Some(Action::Revoke), None) => Err("KID: `keys revoke` needs one"),
        (Name::Keys, ..) => Err("KID: belongs to `keys revoke`"),
        _ => Err("ACTION: belongs to `keys`"),
    }
}
