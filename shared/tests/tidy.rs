//! Holds the invariants of docs/architecture.md by reading the sources.

use std::{
    fs,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

/// A file of the workspace: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The text without comments and unit tests: what runs in production.
    fn code(&self) -> String {
        let production = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = production.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn is_under(&self, dirs: &[&str]) -> bool {
        dirs.iter().any(|dir| self.path.starts_with(dir))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a workspace").to_path_buf()
}

/// All files under these folders with this extension; each folder must have some.
fn sources(dirs: &[&str], extension: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for dir in dirs {
        let before = sources.len();
        for entry in WalkDir::new(root().join(dir)) {
            let path = entry.expect("the folder can be read").into_path();
            if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).expect("a source is text");
                let path = path.strip_prefix(root()).expect("it is in the workspace");
                sources.push(Source { path: path.display().to_string(), text });
            }
        }
        assert!(sources.len() > before, "{dir} has no .{extension} files: has it moved?");
    }
    sources
}

const SERVICES: [&str; 2] = ["auth-service/src", "task-service/src"];
const PRODUCTION: [&str; 7] = [
    "auth-service/src",
    "http/src",
    "task-service/src",
    "server/src",
    "shared/src",
    "tandem/src",
    "verifier/src",
];
const STORES: [&str; 2] = ["auth-service/src/store", "task-service/src/store"];
const DOMAINS: [&str; 2] = ["auth-service/src/domain", "task-service/src/domain"];

fn production_outside(dirs: &[&str]) -> Vec<Source> {
    let mut sources = sources(&PRODUCTION, "rs");
    sources.retain(|source| !source.is_under(dirs));
    sources
}

/// Fails with every line of code in `sources` that holds one of `words`.
fn forbid(rule: &str, sources: &[Source], words: &[&str]) {
    let mut found = Vec::new();
    for source in sources {
        let code = source.code();
        let guilty = code.lines().filter(|line| words.iter().any(|word| line.contains(word)));
        found.extend(guilty.map(|line| format!("{}: {}", source.path, line.trim())));
    }
    assert!(!sources.is_empty(), "{rule}: no file was looked at");
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

#[test]
fn sql_stands_only_under_store() {
    let sql =
        ["sqlx::query", "select ", "insert into", "update auth.", "update task.", "delete from"];
    // What the database must be like, db.rs asks.
    let mut elsewhere = production_outside(&[&STORES[..], &["shared/src/db"]].concat());
    for source in &mut elsewhere {
        // The name under which sqlx logs.
        source.text = source.text.replace("\"sqlx::query\"", "");
    }
    forbid("SQL belongs to store/", &elsewhere, &sql);
}

#[test]
fn the_benchmark_keeps_its_statements_in_files() {
    let mut sources = sources(&["bench/src"], "rs");
    // The usual service is written as another team would write it.
    sources.retain(|source| !source.path.ends_with("baselines/usual.rs"));
    let sql = ["insert into", "delete from", "update task", "from task", "from auth", "from users"];
    forbid("the benchmark's SQL belongs to bench/sql/", &sources, &sql);
}

/// The modules of the benchmark, from top to bottom.
const BENCH: [&str; 14] = [
    "main",
    "run",
    "serve",
    "guard",
    "report",
    "contest",
    "studies",
    "baselines",
    "workload",
    "environment",
    "load",
    "usage",
    "progress",
    "options",
];

#[test]
fn the_benchmark_imports_from_top_to_bottom() {
    for source in sources(&["bench/src"], "rs") {
        let path = source.path.strip_prefix("bench/src/").expect("it is under bench/src");
        let module = path.split(['/', '.']).next().expect("a path is not empty");
        let layer = BENCH.iter().position(|name| *name == module);
        let layer = layer.unwrap_or_else(|| panic!("{path} is in no module of BENCH"));
        for imports in source.code().split("crate::").skip(1) {
            // All of `use crate::{…};`, or the first name of a path.
            let end: &[char] = if imports.starts_with('{') { &[';'] } else { &[':', ';', ' '] };
            let imports = imports.split(end).next().unwrap_or_default();
            for name in imports.split(|c: char| !c.is_alphanumeric()) {
                assert!(!BENCH[..layer].contains(&name), "{path} imports {name} from above");
            }
        }
    }
}

#[test]
fn a_status_code_is_named_only_by_the_error() {
    // The verifier has an error type of its own.
    let mut elsewhere = production_outside(&["shared/src/error", "verifier/src/error.rs"]);
    for source in &mut elsewhere {
        // HTTP's status codes, exit codes and codes that a person types are others.
        source.text = source
            .text
            .replace("StatusCode::", "")
            .replace("ExitCode::", "")
            .replace("GrpcCode::", "")
            .replace("RecoveryCode::", "")
            .replace("TotpCode::", "");
    }
    let words = ["tonic::Code", "Code::", "Status::new", "Status::internal", "Status::with_"];
    forbid("status codes belong to shared/src/error.rs", &elsewhere, &words);
}

#[test]
fn layers_import_only_what_they_may() {
    let impure = [
        "tonic",
        "proto::",
        "pb::",
        "crate::store",
        "crate::service",
        "crate::config",
        "now()",
        "PgPool",
        "tokio",
        "async ",
    ];
    forbid("domain/ does no I/O and knows no wire", &sources(&DOMAINS, "rs"), &impure);
    let wire = ["tonic", "proto::", "pb::", "crate::service", "now()"];
    forbid("store/ knows no wire and no clock", &sources(&STORES, "rs"), &wire);
    let services = ["auth_service", "task_service"];
    let below = sources(&["shared/src", "http/src", "server/src", "verifier/src"], "rs");
    forbid("the crates below the services know no service", &below, &services);
    let above = ["tandem_server", "axum"];
    forbid("shared/ does not know the server", &sources(&["shared/src"], "rs"), &above);
    let ours = ["shared::", "tandem_server", "sqlx", "clap", "proto::"];
    forbid("verifier/ depends on nothing of ours", &sources(&["verifier/src"], "rs"), &ours);
}

#[test]
fn only_the_database_s_clock_decides_what_expires() {
    let times = ["now: DateTime", "expired: DateTime"];
    forbid("statements take durations, not times", &sources(&STORES, "rs"), &times);
    // Tokens, whose verifiers have clocks of their own, answers about what is not stored, metrics.
    let instance = [
        "auth-service/src/service.rs",
        "auth-service/src/service/caller.rs",
        "auth-service/src/service/login.rs",
        "auth-service/src/service/password.rs",
        "auth-service/src/service/second_factor.rs",
        "auth-service/src/service/refresh.rs",
        "task-service/src/follow.rs",
        "task-service/src/issuer.rs",
        "task-service/src/service/create.rs",
    ];
    let mut elsewhere = sources(&SERVICES, "rs");
    elsewhere.retain(|source| !source.is_under(&instance));
    forbid("a stored time is the database's", &elsewhere, &["time::now()"]);
}

#[test]
fn task_service_cannot_sign_and_neither_reads_the_other_s_tables() {
    let signing = ["EncodingKey", "EcdsaKeyPair", "jsonwebtoken::encode", "auth_service"];
    forbid("task-service holds no signing key", &sources(&["task-service/src"], "rs"), &signing);
    let tasks = ["task.tasks", "task.page_token_keys", "task_service"];
    forbid("auth-service reads no task", &sources(&["auth-service/src"], "rs"), &tasks);
    let users = ["auth.users", "auth.signing_keys"];
    forbid("task-service reads no user", &sources(&["task-service/src"], "rs"), &users);
}

#[test]
fn every_statement_on_tasks_is_scoped_to_the_owner() {
    let mut stores = sources(&["task-service/src/store/tasks"], "rs");
    let tasks = fs::read_to_string(root().join("task-service/src/store/tasks.rs")).unwrap();
    stores.push(Source { path: "task-service/src/store/tasks.rs".into(), text: tasks });
    let mut count = 0;
    // The purge covers all owners: no caller requests it.
    for Source { path, text } in stores.iter().filter(|store| !store.path.ends_with("/purge.rs")) {
        let text = text.replace("select_tasks!", "sqlx::query");
        for statement in text.split("sqlx::query").skip(1) {
            let sql = statement.split(");").next().unwrap();
            // Each part of it that reads or writes tasks: an insert names the owner first.
            for part in sql.split("task.tasks").skip(1) {
                let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
                let scoped = part.contains("owner_id = ") || part.starts_with("( owner_id, id,");
                assert!(scoped, "{path} is not scoped to the owner: {part}");
                count += 1;
            }
        }
    }
    assert!(count >= 5, "only {count} parts of statements were looked at");
}

#[test]
fn every_statement_has_a_name() {
    // Behind a pooler one that has none may be replaced by another client's before it is run.
    forbid("sqlx runs it by no name", &production_outside(&[]), &[".persistent(false"]);
}

#[test]
fn no_transaction_is_held_across_an_await() {
    let words = [".begin(", "begin_with(", "Transaction<"];
    forbid("sqlx's begin is not cancel-safe", &production_outside(&[]), &words);
}

#[test]
fn settings_and_bcrypt_have_one_place_each() {
    // One file names a variable whose value clap cannot read; one removes libpq's variables.
    let exceptions = ["shared/src/config/command_line.rs", "server/src/program.rs"];
    let sources = production_outside(&exceptions);
    forbid("variables are read by clap", &sources, &["env::var"]);
    let bcrypt = ["auth-service/src/hashing.rs", "auth-service/src/domain/password.rs"];
    forbid("only hashing.rs calls bcrypt", &production_outside(&bcrypt), &["bcrypt::"]);
}

#[test]
fn a_migration_stays_in_the_schema_of_the_service_that_owns_it() {
    for Source { path, text } in sources(&["migrations"], "sql") {
        // The first line for sqlx, if it is to run outside a transaction.
        let owner = text.trim_start_matches("-- no-transaction\n").lines().next();
        let (own, foreign) = match owner {
            Some(line) if line.starts_with("-- Owner: auth-service.") => ("auth.", "task."),
            Some(line) if line.starts_with("-- Owner: task-service.") => ("task.", "auth."),
            line => panic!("{path}: the first comment must name the owner, not {line:?}"),
        };
        for line in text.lines().filter(|line| !line.trim_start().starts_with("--")) {
            assert!(!line.contains(foreign), "{path}: {line}");
            if let Some((_, table)) = line.split_once("create table ") {
                assert!(table.starts_with(own), "{path}: {line}");
            }
        }
    }
}

#[test]
fn unique_keys_of_tasks_begin_with_the_owner() {
    let migrations = sources(&["migrations"], "sql");
    let all: String = migrations.iter().map(|migration| migration.text.as_str()).collect();
    let table = all.split("create table task.tasks (").nth(1).unwrap();
    let table = table.split("\n);").next().unwrap();
    let is_key = |line: &&str| line.contains("primary key") || line.contains("unique");
    assert!(table.lines().any(|line| is_key(&line)));
    for key in table.lines().filter(is_key) {
        assert!(key.contains("(owner_id"), "{key}");
    }
    for line in all.lines().filter(|line| line.contains("create unique index")) {
        let on_tasks = line.contains(" on task.tasks ");
        assert!(!on_tasks || line.contains("task.tasks (owner_id"), "{line}");
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let others = ["bench", "local-postgres", "test-support", "proto/src"];
    let everything = [&PRODUCTION[..], &others].concat();
    for Source { path, text } in sources(&everything, "rs") {
        assert!(text.starts_with("//! "), "{path} does not say what lives in it");
        let lines = text.split("#[cfg(test)]").next().unwrap().lines().count();
        assert!(lines <= 300, "{path} has {lines} lines: is it still one room?");
        let long = text.lines().filter(|line| line.chars().count() > 100);
        assert_eq!(long.collect::<Vec<_>>(), [""; 0], "{path} has lines of over 100 characters");
    }
}

#[test]
fn both_services_look_alike() {
    for service in SERVICES {
        for file in ["main.rs", "lib.rs", "config.rs", "service.rs", "service/convert.rs"] {
            let path = root().join(service).join(file);
            assert!(path.is_file(), "{} is missing", path.display());
        }
    }
}
