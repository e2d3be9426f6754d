//! `docs/reference/settings.md` and `.env.example`, from clap.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use clap::{Arg, Args as _, Command};

use super::{check, code, page, table};

const INTRODUCTION: &str = "\
Each setting has a variable and a flag: `AUTH_BCRYPT_COST=13` or `--bcrypt-cost 13`. The flag takes
precedence. Flags follow the command: `auth-service keys list --database-url URL`. Without one,
`serve` runs. [`.env.example`](../../.env.example) is a template of all variables.

`cargo run` applies the variables of both services. Its own are `TANDEM_DATA_DIR`, the directory of
the database and the root key, and the listen addresses; `cargo run -- --help` shows its flags.";

const EXAMPLE: &str = "\
# Every setting with its default, generated from the programs; see docs/reference/settings.md.
# The programs read variables, not files: pass a copy to the process manager, or to a shell with
# `set -a; . ./.env; set +a`. A flag takes precedence over its variable.
";

/// The settings of a part of the project, in the order of `--help`.
struct Part {
    name: &'static str,
    settings: Vec<Setting>,
}

struct Setting {
    heading: String,
    variable: String,
    flag: String,
    default: String,
    text: String,
}

/// Every variable of both services, with its default.
pub(crate) fn variables() -> BTreeMap<String, String> {
    let settings = parts().into_iter().flat_map(|part| part.settings);
    settings.map(|setting| (setting.variable, setting.default)).collect()
}

#[test]
fn the_page_of_settings_is_up_to_date() {
    let mut parts_of_page = Vec::new();
    for Part { name, settings } in parts() {
        let mut part = format!("## {name}\n");
        for group in settings.chunk_by(|a, b| a.heading == b.heading) {
            let rows = group.iter().map(|setting| {
                let Setting { variable, flag, default, text, .. } = setting;
                [code(variable), code(flag), code(default), text.clone()]
            });
            let head = ["variable", "flag", "default", "meaning"];
            let _ = write!(part, "\n### {}\n\n{}", group[0].heading, table(head, rows));
        }
        parts_of_page.push(part);
    }
    let content = parts_of_page.join("\n");
    check("docs/reference/settings.md", &page("Settings", INTRODUCTION, &content));
}

#[test]
fn the_example_of_an_environment_is_up_to_date() {
    let mut example = EXAMPLE.to_owned();
    for Part { name, settings } in parts() {
        let _ = writeln!(example, "\n# --- {name}");
        for Setting { variable, default, text, .. } in settings {
            let _ = writeln!(example, "\n{}# {variable}={default}", comment(&text));
        }
    }
    check(".env.example", &example);
}

/// The settings of both services, and of each service alone.
fn parts() -> [Part; 3] {
    let auth = settings(&auth_service::Config::augment_args(Command::new("auth-service")));
    let task = settings(&task_service::Config::augment_args(Command::new("task-service")));
    let names = |settings: &[Setting]| -> BTreeSet<String> {
        settings.iter().map(|setting| setting.variable.clone()).collect()
    };
    let shared = &names(&auth) & &names(&task);
    let (both, auth) = auth.into_iter().partition(|setting| shared.contains(&setting.variable));
    let is_own = |setting: &Setting| !shared.contains(&setting.variable);
    let task = task.into_iter().filter(is_own).collect();
    [("Both services", both), ("auth-service", auth), ("task-service", task)]
        .map(|(name, settings)| Part { name, settings })
}

fn settings(command: &Command) -> Vec<Setting> {
    command.get_arguments().map(setting).collect()
}

fn setting(arg: &Arg) -> Setting {
    let variable = arg.get_env().expect("every setting has a variable");
    let flag = arg.get_long().expect("every setting has a flag");
    let value = arg.get_value_names().expect("every setting names its value").concat();
    let default = arg.get_default_values().first().map(|default| default.to_string_lossy());
    let mut text = format!("{}.", arg.get_help().expect("every setting has a text"));
    for value in arg.get_possible_values() {
        if let Some(help) = value.get_help() {
            let _ = write!(text, " `{}`: {help}.", value.get_name());
        }
    }
    Setting {
        heading: arg.get_help_heading().expect("every setting has a heading").to_owned(),
        variable: variable.to_string_lossy().into_owned(),
        flag: format!("--{flag} {value}"),
        default: default.unwrap_or_default().into_owned(),
        text,
    }
}

/// The text as a comment of at most 100 columns.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        if lines[lines.len() - 1].len() + 1 + word.len() > 100 {
            lines.push("#".to_owned());
        }
        let last = lines.len() - 1;
        let _ = write!(lines[last], " {word}");
    }
    lines.join("\n") + "\n"
}
