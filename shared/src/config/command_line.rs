//! Reads flags and variables with clap. Errors name a setting by its variable and its flag, and
//! never repeat a secret.

use std::{collections::BTreeSet, env, ffi::OsString};

use clap::{
    Arg, Args, Command, Error, FromArgMatches, Parser,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Parses the command line of a program whose default command is `serve`.
///
/// # Errors
/// The first mistake; or the help or the version, if the arguments request it.
pub fn parse_program<P: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<P, Error> {
    let mut args: Vec<_> = args.into_iter().collect();
    let is_command =
        |arg: &str| !arg.starts_with('-') || matches!(arg, "-h" | "--help" | "-V" | "--version");
    if !args.get(1).and_then(|arg| arg.to_str()).is_some_and(is_command) {
        args.insert(args.len().min(1), "serve".into());
    }
    parse(P::command(), args)
}

/// Parses the command line of a program that `command` describes.
///
/// # Errors
/// The first mistake; or the help or the version, if the arguments request it.
pub fn parse<P: FromArgMatches>(
    mut command: Command,
    args: impl IntoIterator<Item = OsString>,
) -> Result<P, Error> {
    let matches = command.try_get_matches_from_mut(args);
    P::from_arg_matches(&matches.map_err(|error| explain(error, &command, variable_and_flag))?)
}

/// Parses the settings in `S` from these flags, and from variables for the rest.
///
/// # Errors
/// The first mistake.
pub fn settings<S: Args>(flags: impl IntoIterator<Item = impl Into<OsString>>) -> Result<S, Error> {
    let command = S::augment_args(Command::new("settings").no_binary_name(true));
    parse(command, flags.into_iter().map(Into::into))
}

/// Parses the settings in `S` from variables only, for a program that sets the rest itself. No
/// setting is required, and the variables that `program` has flags for are not read.
///
/// # Errors
/// The first mistake, named by its variable.
pub fn from_variables<S: Args>(program: &Command) -> Result<S, Error> {
    let own: Vec<_> = program.get_arguments().filter_map(Arg::get_env).collect();
    let command = S::augment_args(Command::new("settings").no_binary_name(true));
    let mut command = optional(command).mut_args(|arg| {
        let is_own = arg.get_env().is_some_and(|variable| own.contains(&variable));
        if is_own { arg.env(Resettable::Reset) } else { arg }
    });
    let matches = command.try_get_matches_from_mut::<_, OsString>([]);
    S::from_arg_matches(&matches.map_err(|error| explain(error, &command, variable))?)
}

/// The same command with no setting required.
#[must_use]
pub fn optional(command: Command) -> Command {
    let groups: Vec<_> = command.get_groups().map(|group| group.get_id().clone()).collect();
    let optional = |command: Command, id| command.mut_group(id, |group| group.required(false));
    groups.iter().fold(command, optional)
}

/// Fails with all of these mistakes, each once, unless there are none.
///
/// # Errors
/// The mistakes.
pub fn reject(mistakes: impl IntoIterator<Item = String>) -> Result<(), Error> {
    let mistakes = BTreeSet::from_iter(mistakes);
    if mistakes.is_empty() {
        return Ok(());
    }
    let mistakes = Vec::from_iter(mistakes).join("\n  ");
    let message = format!("the configuration is not valid:\n  {mistakes}\n");
    Err(Error::raw(ErrorKind::ValueValidation, message))
}

/// Names settings as `name` does, and hides values that may be secret.
fn explain(mut error: Error, command: &Command, name: fn(&Arg) -> String) -> Error {
    let settings = settings_of(command);
    if error.kind() == ErrorKind::InvalidUtf8 {
        return not_unicode(&settings, name);
    }
    let text = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
    let setting = text(ContextKind::InvalidArg);
    let is_secret = |arg: &&Arg| arg.is_hide_env_values_set() && usage(arg) == setting;
    let (value, is_hidden) = match error.kind() {
        // It may be a misplaced URL with a password.
        ErrorKind::InvalidSubcommand => {
            let kind = ContextKind::InvalidSubcommand;
            (kind, !is_word(&text(kind)))
        }
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, !is_word(&setting)),
        _ => (ContextKind::InvalidValue, settings.iter().any(is_secret)),
    };
    // An empty value is a missing value, which clap reports as such.
    if is_hidden && !text(value).is_empty() {
        error.insert(value, ContextValue::String("(not shown)".to_owned()));
        error.remove(ContextKind::Suggested);
    }
    let named = |text: String| {
        settings.iter().fold(text, |text, arg| text.replace(&usage(arg), &name(arg)))
    };
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        let context = match error.remove(kind) {
            Some(ContextValue::String(text)) => ContextValue::String(named(text)),
            Some(ContextValue::Strings(texts)) => {
                ContextValue::Strings(texts.into_iter().map(named).collect())
            }
            Some(other) => other,
            None => continue,
        };
        error.insert(kind, context);
    }
    error
}

/// clap does not say which value is not Unicode.
#[expect(clippy::disallowed_methods, reason = "only to name the variable")]
fn not_unicode(settings: &[&Arg], name: fn(&Arg) -> String) -> Error {
    let is_unicode = |variable| env::var_os(variable).is_none_or(|value| value.to_str().is_some());
    let named = settings.iter().filter(|arg| !arg.get_env().is_none_or(is_unicode));
    let mut named: BTreeSet<_> = named.map(|arg| name(arg)).collect();
    if named.is_empty() {
        named.insert("an argument".to_owned());
    }
    let named = Vec::from_iter(named).join(", ");
    Error::raw(ErrorKind::InvalidUtf8, format!("not Unicode: {named}\n"))
}

/// Whether this looks like a flag or a misspelt command.
fn is_word(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-')
}

/// All settings of a program and its commands.
fn settings_of(command: &Command) -> Vec<&Arg> {
    let own = command.get_arguments().filter(|arg| arg.get_env().is_some());
    own.chain(command.get_subcommands().flat_map(settings_of)).collect()
}

/// How clap names a setting: `--bcrypt-cost <COST>`.
fn usage(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default().concat();
    format!("--{} <{values}>", arg.get_long().unwrap_or_default())
}

fn variable(arg: &Arg) -> String {
    arg.get_env().unwrap_or_default().to_string_lossy().into_owned()
}

fn variable_and_flag(arg: &Arg) -> String {
    format!("{} (--{})", variable(arg), arg.get_long().unwrap_or_default())
}
