//! Reads flags and variables with clap, and reports every mistake at once instead of the first.

use std::{collections::HashSet, error::Error as _, ffi::OsString, fmt};

use clap::{
    Arg, ArgMatches, Args, Command, Id,
    builder::ValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// What a service's program is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Task {
    /// Answer calls until SIGTERM or SIGINT
    Serve,
    /// Bring the database to the newest schema and exit
    Migrate,
    /// Exit with 0 if the service at the operations port is ready for calls, otherwise with 1
    Healthcheck,
}

#[derive(clap::Args)]
struct TaskArgument {
    /// What to do.
    // Its value is not repeated in errors: somebody may put a URL with a password there.
    #[arg(value_enum, default_value = "serve", value_name = "COMMAND", hide_env_values = true)]
    task: Task,
}

/// A program's arguments and variables, from which each task takes the settings that it needs.
pub struct CommandLine {
    command: Command,
    args: Vec<OsString>,
}

impl CommandLine {
    /// The command line of a service's program: one of its tasks, and the settings in `S`.
    pub fn with_tasks<S: Args>(
        command: Command,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self::new::<S>(TaskArgument::augment_args(command), args)
    }

    /// The command line of a program that does one thing, with the settings in `S`.
    pub fn new<S: Args>(
        command: Command,
        args: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        // The comment on a struct of settings would take the place of the program's description.
        let about = command.get_about().cloned().unwrap_or_default();
        let command = S::augment_args(command).about(about).long_about(None);
        Self { command, args: args.into_iter().map(Into::into).collect() }
    }

    /// The settings that a task needs, or every mistake in them.
    pub fn settings<S: Args>(&self) -> Result<S, ConfigError> {
        let needed = S::augment_args(Command::new(""));
        let needed: HashSet<_> = needed.get_arguments().map(Arg::get_id).collect();
        let unneeded =
            self.command.get_arguments().map(Arg::get_id).filter(|id| !needed.contains(id));
        let command = unneeded.fold(self.command.clone(), tolerate);
        let matches = parse(command, &self.args).map_err(|error| self.untolerated_help(error))?;
        S::from_arg_matches(&matches).map_err(ConfigError::Usage)
    }

    /// Help shows the settings as they are, not as they are tolerated. Only for help all is parsed
    /// once more: a setting may come from a pipe, which can be read once.
    fn untolerated_help(&self, error: ConfigError) -> ConfigError {
        let is_help = |error: &clap::Error| error.kind() == ErrorKind::DisplayHelp;
        match error {
            ConfigError::Usage(error) if is_help(&error) => {
                let strict = self.command.clone().try_get_matches_from(&self.args).err();
                ConfigError::Usage(strict.filter(is_help).unwrap_or(error))
            }
            error => error,
        }
    }

    /// The settings that a task needs; ends the program if there is a mistake in them.
    pub fn settings_or_exit<S: Args>(&self) -> S {
        self.settings().unwrap_or_else(|error| error.exit())
    }

    /// The task that the command line names; `serve` if it names none.
    pub fn task_or_exit(&self) -> Task {
        let TaskArgument { task } = self.settings_or_exit();
        task
    }
}

/// Why settings could not be read.
#[derive(Debug)]
pub enum ConfigError {
    /// The command line makes no sense, or asks for help or the version.
    Usage(clap::Error),
    /// What is wrong with each variable, in words that follow its name.
    Mistakes(Vec<String>),
}

impl ConfigError {
    /// Prints what is wrong and ends the program: with 2, or with 0 if help was asked for.
    pub fn exit(&self) -> ! {
        match self {
            Self::Usage(error) => error.exit(),
            Self::Mistakes(_) => {
                #[expect(clippy::print_stderr, reason = "the log is not configured yet")]
                {
                    eprintln!("{self}");
                }
                std::process::exit(2)
            }
        }
    }

    /// Every mistake of two readings, each once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Mistakes(mut mistakes), Self::Mistakes(more)) => {
                mistakes.extend(more);
                let mut seen = HashSet::new();
                mistakes.retain(|mistake| seen.insert(mistake.clone()));
                Self::Mistakes(mistakes)
            }
            (usage @ Self::Usage(_), _) | (_, usage @ Self::Usage(_)) => usage,
        }
    }

    /// The same for a program that has the variables and not their flags: `A_VARIABLE (--a-flag)`
    /// loses the flag.
    #[must_use]
    pub fn without_flags(self) -> Self {
        let Self::Mistakes(mut mistakes) = self else { return self };
        for mistake in &mut mistakes {
            while let Some(start) = mistake.find(" (--") {
                let end = mistake[start..].find(')').map_or(mistake.len(), |end| start + end + 1);
                mistake.replace_range(start..end, "");
            }
        }
        Self::Mistakes(mistakes)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(error) => error.fmt(f),
            Self::Mistakes(mistakes) => {
                writeln!(f, "error: the configuration has mistakes:")?;
                for mistake in mistakes {
                    writeln!(f, "  {mistake}")?;
                }
                write!(f, "\nFor every setting and its default, try '--help'.")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// clap stops at the first mistake: note it, let the argument pass, and parse again.
fn parse(mut command: Command, args: &[OsString]) -> Result<ArgMatches, ConfigError> {
    let mut mistakes = Vec::new();
    let mut tolerated = HashSet::new();
    loop {
        let error = match command.clone().try_get_matches_from(args) {
            Ok(matches) if mistakes.is_empty() => return Ok(matches),
            Ok(_) => return Err(ConfigError::Mistakes(mistakes)),
            Err(error) => error,
        };
        let mut culprits = culprits(&command, args, &error);
        // Each turn tolerates one more argument, or is the last: this ends whatever clap says.
        culprits.retain(|args| args.iter().any(|arg| !tolerated.contains(arg.get_id())));
        if culprits.is_empty() {
            return Err(ConfigError::Usage(error));
        }
        for args in culprits {
            mistakes.push(format!("{}: {}", names(&args), rule(&command, &args[0], &error)));
            command = args.iter().map(Arg::get_id).fold(command, tolerate);
            tolerated.extend(args.iter().map(|arg| arg.get_id().clone()));
        }
    }
}

/// The arguments that an error is about, together those of which one would do; none if it is not
/// about a setting's value.
fn culprits(command: &Command, args: &[OsString], error: &clap::Error) -> Vec<Vec<Arg>> {
    match error.kind() {
        ErrorKind::InvalidValue
        | ErrorKind::ValueValidation
        | ErrorKind::MissingRequiredArgument
        | ErrorKind::ArgumentConflict => named(command, error.get(ContextKind::InvalidArg)),
        ErrorKind::InvalidUtf8 => not_unicode(command, args),
        _ => Vec::new(),
    }
}

/// The arguments whose value is not Unicode and must be. clap does not name them: they are those
/// that it refuses when all others may be anything.
fn not_unicode(command: &Command, args: &[OsString]) -> Vec<Vec<Arg>> {
    let is_refused = |arg: &&Arg| {
        let others = command.get_arguments().map(Arg::get_id).filter(|id| *id != arg.get_id());
        let parsed = others.fold(command.clone(), tolerate).try_get_matches_from(args);
        parsed.is_err_and(|error| error.kind() == ErrorKind::InvalidUtf8)
    };
    command.get_arguments().filter(is_refused).map(|arg| vec![arg.clone()]).collect()
}

/// The arguments that a part of an error names, by their usage.
fn named(command: &Command, part: Option<&ContextValue>) -> Vec<Vec<Arg>> {
    let usages = match part {
        Some(ContextValue::String(usage)) => std::slice::from_ref(usage),
        Some(ContextValue::Strings(usages)) => usages,
        _ => &[],
    };
    // An argument knows its usage once the command is built. A group's usage holds its members':
    // `<--a <A>|--b <B>>`.
    let mut built = command.clone();
    built.build();
    let named = |usage: &String| {
        let args = built.get_arguments().filter(|arg| usage.contains(&arg.to_string()));
        args.cloned().collect()
    };
    usages.iter().map(named).filter(|args: &Vec<_>| !args.is_empty()).collect()
}

/// `A_VARIABLE (--a-flag)`, or `PLACE` of what has no flag, and so on, joined by "or".
fn names(args: &[Arg]) -> String {
    let name = |arg: &Arg| {
        let place = || arg.get_value_names().unwrap_or_default().concat();
        let flag = arg.get_long().map_or_else(place, |long| format!("--{long}"));
        match arg.get_env() {
            Some(variable) => format!("{} ({flag})", variable.display()),
            None => flag,
        }
    };
    args.iter().map(name).collect::<Vec<_>>().join(" or ")
}

/// The rule that an argument breaks.
fn rule(command: &Command, arg: &Arg, error: &clap::Error) -> String {
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) if value.is_empty() => "a value is missing".to_owned(),
        Some(ContextValue::String(value)) if !arg.is_hide_env_values_set() => {
            format!("invalid value '{value}'")
        }
        _ => "invalid value".to_owned(),
    };
    match (error.kind(), error.source(), error.get(ContextKind::ValidValue)) {
        (ErrorKind::MissingRequiredArgument, ..) => "is required".to_owned(),
        (ErrorKind::InvalidUtf8, ..) => "is not Unicode".to_owned(),
        (ErrorKind::ArgumentConflict, ..) => {
            let mut others = named(command, error.get(ContextKind::PriorArg)).concat();
            others.retain(|other| other.get_id() != arg.get_id());
            match others.as_slice() {
                [] => "is set twice".to_owned(),
                others => format!("cannot be set together with {}", names(others)),
            }
        }
        (_, Some(rule), _) => format!("{value}: {rule}"),
        // What clap says of an empty value only.
        (_, None, Some(ContextValue::Strings(choices))) if choices.is_empty() => {
            format!("{value}: expected {arg}")
        }
        (_, None, Some(ContextValue::Strings(choices))) => {
            format!("{value}: expected one of {}", choices.join(", "))
        }
        _ => value,
    }
}

/// Lets an argument be absent, be there twice, and have any value or none.
fn tolerate(command: Command, id: &Id) -> Command {
    let groups = command.get_groups().filter(|group| group.get_args().any(|arg| arg == id));
    let groups: Vec<_> = groups.map(|group| group.get_id().clone()).collect();
    let command = command.mut_arg(id, |arg| {
        // What has no flag is there with a value or not at all.
        let arg = if arg.is_positional() { arg } else { arg.num_args(0..=1) };
        arg.required(false).overrides_with(id).value_parser(ValueParser::os_string())
    });
    groups.iter().fold(command, |command, group| {
        command.mut_group(group, |group| group.required(false).multiple(true))
    })
}
