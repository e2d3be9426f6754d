//! The program's settings: flags, variables, and the errors about them.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

use auth_service::Config;
use clap::Args as _;
use nix::{sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;

use crate::support::{OTHER_ROOT_KEY, ROOT_KEY, database, healthcheck, run, settings};

const URL_WITH_PASSWORD: &str = "postgres://tandem:hunter2@127.0.0.1/tandem";

/// A directory and the path of a new file in it.
fn file() -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a directory can be created");
    let path = dir.path().join("value");
    (dir, path)
}

#[tokio::test]
async fn the_version_is_printed() {
    let ended = run(&["--version"], &[]).await;
    let version = concat!("auth-service ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), version, ""));
}

#[tokio::test]
async fn help_lists_the_commands() {
    let ended = run(&["--help"], &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for command in ["serve", "migrate", "healthcheck", "keys"] {
        assert!(ended.stdout.contains(&format!("\n  {command} ")), "{ended:?}");
    }
    let ended = run(&["keys", "--help"], &[]).await;
    for command in ["list", "rotate", "revoke"] {
        assert!(ended.stdout.contains(&format!("\n  {command} ")), "{ended:?}");
    }
}

#[tokio::test]
async fn the_help_of_serve_lists_every_variable_and_its_default() {
    let ended = run(&["serve", "--help"], &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // A setting's text ends at the next flag.
    let texts: Vec<_> = ended.stdout.split("\n      --").collect();
    for arg in Config::augment_args(clap::Command::new("auth-service")).get_arguments() {
        let variable = arg.get_env().unwrap().to_str().unwrap();
        let forms = [format!("[env: {variable}="), format!("[env: {variable}]")];
        let is_its = |text: &&&str| forms.iter().any(|form| text.contains(form));
        let text = texts.iter().find(is_its).unwrap_or_else(|| panic!("{variable}: {ended:?}"));
        for default in arg.get_default_values() {
            let default = format!("[default: {}", default.to_str().unwrap());
            assert!(text.contains(&default) || default == "[default: ", "{text}");
        }
    }
}

#[tokio::test]
async fn help_shows_no_secret() {
    let variables = [("AUTH_ROOT_KEY", ROOT_KEY), ("DATABASE_URL", URL_WITH_PASSWORD)];
    for args in [&["--help"][..], &["-h"], &["serve", "--help"], &["keys", "list", "-h"]] {
        let ended = run(args, &variables).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.stdout.contains(ROOT_KEY) && !ended.stdout.contains("hunter2"), "{ended:?}");
    }
}

#[tokio::test]
async fn an_invalid_value_is_reported_with_its_variable_and_flag() {
    let database = database().await;
    for (variable, value) in [
        ("AUTH_LISTEN_ADDRESS", "localhost"),
        ("AUTH_BCRYPT_COST", "3"),
        ("AUTH_HASHING_THREADS", "0"),
        ("AUTH_HASHING_THREADS", ""),
        ("AUTH_TRUSTED_PROXIES", "localhost"),
        ("AUTH_ACCESS_TOKEN_LIFETIME_SECONDS", "901"),
        ("AUTH_ROOT_KEY", "too-short"),
        ("DATABASE_URL", "mysql://root:hunter2@127.0.0.1/tandem"),
        ("DATABASE_MAX_CONNECTIONS", "many"),
        ("DATABASE_MIGRATE_ON_START", "perhaps"),
        ("TOKEN_ISSUER", " "),
        ("TOKEN_AUDIENCE", "x\ny"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "garbage"),
        ("LOG_FORMAT", "xml"),
        ("RUST_LOG", "auth=debug,inof"),
    ] {
        let mut variables = settings(&database);
        variables.push((variable, value));
        let ended = run(&[], &variables).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(&format!("{variable} (--")), "{variable}: {ended:?}");
        for secret in ["too-short", "hunter2"] {
            assert!(!ended.stderr.contains(secret), "{ended:?}");
        }
    }
}

#[tokio::test]
async fn a_number_with_a_unit_suffix_is_rejected_with_the_unit_of_the_setting() {
    let ended = run(&["--max-request-bytes", "16KiB"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let says = "AUTH_MAX_REQUEST_BYTES (--max-request-bytes)': expected a whole number of bytes";
    assert!(ended.stderr.contains(says), "{ended:?}");
}

#[tokio::test]
async fn a_flag_without_its_value_is_named() {
    for flag in ["--server-max-calls", "--bcrypt-cost", "--log-format", "--root-key"] {
        for args in [&[flag][..], &["serve", flag], &["keys", "list", flag]] {
            let ended = run(args, &[]).await;
            assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
            assert!(ended.stderr.contains(&format!("({flag})")), "{flag}: {ended:?}");
            assert!(ended.stderr.contains("a value is required"), "{flag}: {ended:?}");
        }
    }
}

#[tokio::test]
async fn a_value_that_is_not_unicode_is_named_by_its_variable() {
    let latin_1 = OsStr::from_bytes(b"caf\xe9").to_owned();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_auth-service"));
    let command = command.env_clear().env("TOKEN_AUDIENCE", &latin_1);
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("not Unicode: TOKEN_AUDIENCE (--token-audience)"), "{stderr}");
}

#[tokio::test]
async fn all_contradictions_between_settings_are_reported_at_once() {
    let database = database().await;
    for (flags, named) in [
        (&["--key-rotation-seconds", "3600"][..], &["AUTH_KEY_LEAD_SECONDS: "][..]),
        (&["--key-lead-seconds", "19"], &["AUTH_KEY_REFRESH_MS: "]),
        (
            &["--key-rotation-seconds", "45", "--key-lead-seconds", "40"],
            &["AUTH_KEY_ROTATION_SECONDS: "],
        ),
        (
            &["--key-rotation-seconds", "19", "--key-lead-seconds", "19"],
            &["AUTH_KEY_LEAD_SECONDS: ", "AUTH_KEY_REFRESH_MS: ", "AUTH_KEY_ROTATION_SECONDS: "],
        ),
        (
            &["--key-rotation-seconds", "3600", "--listen-address", "0.0.0.0:0"],
            &["AUTH_KEY_LEAD_SECONDS: ", "SERVER_TLS_CERT_FILE: "],
        ),
    ] {
        let ended = run(&[&["serve"], flags].concat(), &settings(&database)).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        for named in named {
            assert!(ended.stderr.contains(named), "{named}: {ended:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_required_setting_is_named() {
    let ended = run(&["serve"], &[]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    for variable in ["DATABASE_URL ", "DATABASE_URL_FILE ", "AUTH_ROOT_KEY ", "AUTH_ROOT_KEY_FILE "]
    {
        assert!(ended.stderr.contains(variable), "{variable}: {ended:?}");
    }
    let ended = run(&["migrate"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("DATABASE_URL"), "{ended:?}");
    assert!(!ended.stderr.contains("AUTH_ROOT_KEY"), "migrate needs no root key: {ended:?}");
}

#[tokio::test]
async fn a_command_ignores_the_variables_of_others() {
    let (database, variable) = (database().await, ("AUTH_ROOT_KEY", "invalid"));
    let ended = run(&["migrate"], &[("DATABASE_URL", database.url()), variable]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let ops = ("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:1");
    let ended = run(&["healthcheck"], &[("DATABASE_URL", "invalid"), variable, ops]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[tokio::test]
async fn an_invalid_root_key_is_never_printed() {
    let database = database().await;
    let almost = &OTHER_ROOT_KEY[4..];
    let mut variables = settings(&database);
    variables.retain(|(name, _)| *name != "AUTH_ROOT_KEY");
    for (args, variable) in [(vec!["--root-key", almost], None), (vec![], Some(almost))] {
        let mut variables = variables.clone();
        variables.extend(variable.map(|value| ("AUTH_ROOT_KEY", value)));
        let ended = run(&args, &variables).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains("AUTH_ROOT_KEY"), "{ended:?}");
        assert!(!ended.stderr.contains(almost), "{ended:?}");
    }
}

#[tokio::test]
async fn a_root_key_and_its_file_are_not_both_accepted() {
    let (_dir, file) = file();
    fs::write(&file, ROOT_KEY).unwrap();
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("AUTH_ROOT_KEY_FILE", file.to_str().unwrap()));
    let ended = run(&["serve"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    for variable in ["AUTH_ROOT_KEY (", "AUTH_ROOT_KEY_FILE ("] {
        assert!(ended.stderr.contains(variable), "{ended:?}");
    }
    assert!(!ended.stderr.contains(ROOT_KEY), "{ended:?}");
}

#[tokio::test]
async fn an_invalid_root_key_file_is_named_and_its_content_is_never_printed() {
    let (_dir, file) = file();
    let database = database().await;
    let mut variables = settings(&database);
    variables.retain(|(name, _)| *name != "AUTH_ROOT_KEY");
    variables.push(("AUTH_ROOT_KEY_FILE", file.to_str().unwrap()));
    for content in [None, Some("hunter2")] {
        content.inspect(|content| fs::write(&file, content).unwrap());
        let ended = run(&["serve"], &variables).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("AUTH_ROOT_KEY_FILE"), "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_database_url_in_a_file_is_the_same_as_in_its_variable() {
    let (database, (_dir, file)) = (database().await, file());
    fs::write(&file, format!("{}\n", database.url())).unwrap();
    let variable = [("DATABASE_URL_FILE", file.to_str().unwrap())];
    let ended = run(&["migrate"], &variable).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let both = [variable[0], ("DATABASE_URL", database.url())];
    let ended = run(&["migrate"], &both).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("DATABASE_URL_FILE ("), "{ended:?}");
    assert!(!ended.stderr.contains(database.url()), "{ended:?}");
}

#[tokio::test]
async fn an_invalid_database_url_file_is_named_and_its_content_is_never_printed() {
    let (_dir, file) = file();
    for content in [None, Some("mysql://root:hunter2@127.0.0.1/tandem")] {
        content.inspect(|content| fs::write(&file, content).unwrap());
        let ended = run(&["migrate"], &[("DATABASE_URL_FILE", file.to_str().unwrap())]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("DATABASE_URL_FILE"), "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_file_without_end_and_a_pipe_that_stays_open_are_rejected() {
    let dir = TempDir::new().unwrap();
    let (pipe, large) = (dir.path().join("pipe"), dir.path().join("large"));
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    fs::write(&large, vec![b' '; 65_537]).unwrap();
    for (file, says) in [
        (Path::new("/dev/zero"), "must be a regular file or a pipe"),
        (dir.path(), "must be a regular file or a pipe"),
        (&large, "is larger than 65536 bytes"),
        (&pipe, "is a pipe that was not closed"),
    ] {
        let file = file.to_str().unwrap();
        let variables = [("AUTH_ROOT_KEY_FILE", file), ("DATABASE_URL", "postgres://localhost/x")];
        let serve = run(&["serve"], &variables).await;
        let migrate = run(&["migrate"], &[("DATABASE_URL_FILE", file)]).await;
        for (ended, variable) in [(serve, "AUTH_ROOT_KEY_FILE"), (migrate, "DATABASE_URL_FILE")] {
            assert_eq!(ended.code, Some(2), "{ended:?}");
            assert!(ended.stderr.contains(variable) && ended.stderr.contains(says), "{ended:?}");
        }
    }
}

#[tokio::test]
async fn a_link_and_a_closed_pipe_are_accepted_like_a_file() {
    let (database, dir) = (database().await, TempDir::new().unwrap());
    let [file, link, pipe] = ["file", "link", "pipe"].map(|name| dir.path().join(name));
    fs::write(&file, database.url()).unwrap();
    symlink(&file, &link).unwrap();
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let url = database.url().to_owned();
    let writing = pipe.clone();
    // Opening a pipe to write blocks until a reader opens it.
    tokio::task::spawn_blocking(move || fs::write(writing, url));
    for path in [link, pipe] {
        let ended = run(&["migrate"], &[("DATABASE_URL_FILE", path.to_str().unwrap())]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn a_flag_takes_precedence_over_its_variable() {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flag = ["healthcheck", "--ops-listen-address", &unused.to_string()];
    let ended = run(&flag, &[("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:1")]).await;
    assert!(ended.stderr.contains(&unused.to_string()), "{ended:?}");
    let ended = healthcheck(unused).await;
    assert!(ended.stderr.contains(&unused.to_string()), "{ended:?}");
}

#[tokio::test]
async fn an_unknown_flag_or_command_is_rejected() {
    for arg in ["--no-such-flag", "destroy"] {
        let ended = run(&[arg], &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(arg), "{ended:?}");
    }
}

#[tokio::test]
async fn a_misplaced_secret_is_never_printed() {
    for secret in [URL_WITH_PASSWORD, ROOT_KEY] {
        for args in
            [&[secret][..], &["serve", secret], &["keys", secret], &["keys", "list", secret]]
        {
            let ended = run(args, &[]).await;
            assert_eq!(ended.code, Some(2));
            assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
            assert!(!ended.stderr.contains(ROOT_KEY), "{ended:?}");
        }
    }
}
