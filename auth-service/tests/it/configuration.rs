//! The program's settings: flags, variables, and what it says of mistakes in them.

use std::{fs, path::Path};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;

use crate::support::{OTHER_ROOT_KEY, ROOT_KEY, database, healthcheck, run, settings};

/// Every variable and its default.
const SETTINGS: [(&str, &str); 38] = [
    ("AUTH_LISTEN_ADDRESS", "127.0.0.1:50051"),
    ("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:9051"),
    ("AUTH_MAX_REQUEST_BYTES", "16384"),
    ("AUTH_ROOT_KEY", ""),
    ("AUTH_ROOT_KEY_FILE", ""),
    ("AUTH_ACCESS_TOKEN_LIFETIME_SECONDS", "600"),
    ("AUTH_BCRYPT_COST", "12"),
    ("AUTH_HASHING_THREADS", "the number of cores less one, at least 1"),
    ("AUTH_HASHING_QUEUE", "32"),
    ("AUTH_HASHING_WAIT_MS", "2000"),
    ("AUTH_LOGIN_ATTEMPTS_PER_SOURCE", "20"),
    ("AUTH_LOGIN_SOURCE_INTERVAL_SECONDS", "10"),
    ("AUTH_LOGIN_ATTEMPTS_PER_NAME", "5"),
    ("AUTH_LOGIN_MAX_WAIT_SECONDS", "900"),
    ("AUTH_REGISTRATIONS_PER_HOUR", "5"),
    ("AUTH_THROTTLE_ENTRIES", "65536"),
    ("AUTH_TRUSTED_PROXIES", ""),
    ("AUTH_KEY_ROTATION_SECONDS", "7776000"),
    ("AUTH_KEY_LEAD_SECONDS", "3600"),
    ("AUTH_KEY_REFRESH_MS", "5000"),
    ("TOKEN_ISSUER", "http://127.0.0.1:50051"),
    ("TOKEN_AUDIENCE", "tandem"),
    ("TOKEN_LEEWAY_SECONDS", "30"),
    ("DATABASE_URL", ""),
    ("DATABASE_URL_FILE", ""),
    ("DATABASE_MAX_CONNECTIONS", "10"),
    ("DATABASE_ACQUIRE_TIMEOUT_MS", "2000"),
    ("DATABASE_IDLE_TIMEOUT_SECONDS", "600"),
    ("DATABASE_MAX_LIFETIME_SECONDS", "1800"),
    ("DATABASE_STATEMENT_TIMEOUT_MS", "3000"),
    ("DATABASE_LOCK_TIMEOUT_MS", "1000"),
    ("DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS", "5000"),
    ("DATABASE_MIGRATE_ON_START", "true"),
    ("SERVER_MAX_STREAMS_PER_CONNECTION", "200"),
    ("SERVER_DRAIN_DELAY_SECONDS", "5"),
    ("SERVER_DRAIN_TIMEOUT_SECONDS", "20"),
    ("LOG_FORMAT", "text"),
    ("RUST_LOG", "info"),
];

#[tokio::test]
async fn the_version_is_told() {
    let ended = run(&["--version"], &[]).await;
    let version = concat!("auth-service ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), version, ""));
}

#[tokio::test]
async fn help_lists_every_variable_and_its_default() {
    let ended = run(&["--help"], &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // A setting's text goes on until the next flag.
    let texts: Vec<_> = ended.stdout.split("\n      --").collect();
    for (variable, default) in SETTINGS {
        let forms = [format!("[env: {variable}="), format!("[env: {variable}]")];
        let is_its = |text: &&&str| forms.iter().any(|form| text.contains(form));
        let text = texts.iter().find(is_its).unwrap_or_else(|| panic!("{variable}: {ended:?}"));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(default.is_empty() || text.contains(&format!("[default: {default}")), "{text}");
    }
    for command in ["serve", "migrate", "healthcheck", "keys", "list", "rotate", "revoke"] {
        assert!(ended.stdout.contains(command), "{ended:?}");
    }
}

#[tokio::test]
async fn help_shows_no_secret() {
    let url = "postgres://tandem:hunter2@127.0.0.1/tandem";
    for flag in ["--help", "-h"] {
        let ended = run(&[flag], &[("AUTH_ROOT_KEY", ROOT_KEY), ("DATABASE_URL", url)]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.stdout.contains(ROOT_KEY) && !ended.stdout.contains("hunter2"), "{ended:?}");
    }
}

#[tokio::test]
async fn every_mistake_is_reported_at_once_by_its_variable() {
    let mistakes = [
        ("AUTH_LISTEN_ADDRESS", "localhost"),
        ("AUTH_BCRYPT_COST", "3"),
        ("AUTH_HASHING_THREADS", "0"),
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
    ];
    let ended = run(&[], &mistakes).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    for (variable, _) in mistakes {
        assert!(ended.stderr.contains(&format!("{variable} (--")), "{variable}: {ended:?}");
    }
    for secret in ["too-short", "hunter2"] {
        assert!(!ended.stderr.contains(secret), "{ended:?}");
    }
}

#[tokio::test]
async fn flags_without_their_values_are_named() {
    let flags = ["--server-max-calls", "--bcrypt-cost", "--log-format", "--listen-address"];
    for flag in flags {
        let ended = run(&[flag], &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(&format!("({flag})")), "{flag}: {ended:?}");
    }
    let ended = run(&["keys", "list", "--database-url"], &[]).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("DATABASE_URL (--database-url)"), "{ended:?}");
}

#[tokio::test]
async fn settings_that_contradict_each_other_are_named() {
    let database = database().await;
    for (contradiction, named) in [
        (&["--key-rotation-seconds", "3600"][..], "AUTH_KEY_LEAD_SECONDS (--"),
        (&["--key-lead-seconds", "19"], "AUTH_KEY_REFRESH_MS (--"),
        (
            &["--key-rotation-seconds", "45", "--key-lead-seconds", "40"],
            "AUTH_KEY_ROTATION_SECONDS",
        ),
    ] {
        let ended = run(&[&["serve"], contradiction].concat(), &settings(&database)).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(named), "{named}: {ended:?}");
    }
}

#[tokio::test]
async fn what_is_required_is_named() {
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
async fn a_root_key_that_is_wrong_is_not_repeated() {
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
    let file = std::env::temp_dir().join(format!("auth-root-key-{}", uuid::Uuid::now_v7()));
    fs::write(&file, ROOT_KEY).unwrap();
    let database = database().await;
    let mut variables = settings(&database);
    variables.push(("AUTH_ROOT_KEY_FILE", file.to_str().unwrap()));
    let ended = run(&["serve"], &variables).await;
    fs::remove_file(&file).unwrap();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    for variable in ["AUTH_ROOT_KEY (", "AUTH_ROOT_KEY_FILE ("] {
        assert!(ended.stderr.contains(variable), "{ended:?}");
    }
    assert!(!ended.stderr.contains(ROOT_KEY), "{ended:?}");
}

#[tokio::test]
async fn a_root_key_file_that_cannot_be_used_is_named_and_not_repeated() {
    let file = std::env::temp_dir().join(format!("auth-root-key-{}", uuid::Uuid::now_v7()));
    let database = database().await;
    let mut variables = settings(&database);
    variables.retain(|(name, _)| *name != "AUTH_ROOT_KEY");
    variables.push(("AUTH_ROOT_KEY_FILE", file.to_str().unwrap()));
    for content in [None, Some("hunter2")] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let ended = run(&["serve"], &variables).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("AUTH_ROOT_KEY_FILE"), "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    }
    fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_database_url_from_a_file_is_the_same_as_from_its_variable() {
    let database = database().await;
    let file = std::env::temp_dir().join(format!("database-url-{}", uuid::Uuid::now_v7()));
    fs::write(&file, format!("{}\n", database.url())).unwrap();
    let variable = [("DATABASE_URL_FILE", file.to_str().unwrap())];
    let ended = run(&["migrate"], &variable).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let both = [variable[0], ("DATABASE_URL", database.url())];
    let ended = run(&["migrate"], &both).await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("DATABASE_URL_FILE ("), "{ended:?}");
    assert!(!ended.stderr.contains(database.url()), "{ended:?}");
    fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_database_url_file_that_cannot_be_used_is_named_and_not_repeated() {
    let file = std::env::temp_dir().join(format!("database-url-{}", uuid::Uuid::now_v7()));
    for content in [None, Some("mysql://root:hunter2@127.0.0.1/tandem")] {
        if let Some(content) = content {
            fs::write(&file, content).unwrap();
        }
        let ended = run(&["migrate"], &[("DATABASE_URL_FILE", file.to_str().unwrap())]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("DATABASE_URL_FILE"), "{ended:?}");
        assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
    }
    fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_file_without_end_and_a_pipe_that_does_not_end_are_refused() {
    let dir = TempDir::new().unwrap();
    let (pipe, large) = (dir.path().join("pipe"), dir.path().join("large"));
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    fs::write(&large, vec![b' '; 65_537]).unwrap();
    for (file, says) in [
        (Path::new("/dev/zero"), "must be a regular file or a pipe"),
        (dir.path(), "must be a regular file or a pipe"),
        (&large, "has more than 65536 bytes"),
        (&pipe, "is a pipe that did not end"),
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
async fn a_link_and_a_pipe_that_ends_are_as_good_as_a_file() {
    let (database, dir) = (database().await, TempDir::new().unwrap());
    let [file, link, pipe] = ["file", "link", "pipe"].map(|name| dir.path().join(name));
    fs::write(&file, database.url()).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let url = database.url().to_owned();
    let writing = pipe.clone();
    // Opening a pipe to write waits for the reader.
    tokio::task::spawn_blocking(move || fs::write(writing, url));
    for path in [link, pipe] {
        let ended = run(&["migrate"], &[("DATABASE_URL_FILE", path.to_str().unwrap())]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}

#[tokio::test]
async fn a_flag_wins_over_its_variable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let flag = ["healthcheck", "--ops-listen-address", &nobody.to_string()];
    let ended = run(&flag, &[("AUTH_OPS_LISTEN_ADDRESS", "127.0.0.1:1")]).await;
    assert!(ended.stderr.contains(&nobody.to_string()), "{ended:?}");
    let ended = healthcheck(nobody).await;
    assert!(ended.stderr.contains(&nobody.to_string()), "{ended:?}");
}

#[tokio::test]
async fn an_unknown_flag_or_command_is_refused() {
    for (arg, told) in [("--no-such-flag", "--no-such-flag"), ("destroy", "COMMAND")] {
        let ended = run(&[arg], &[]).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
}

#[tokio::test]
async fn a_url_in_the_place_of_the_command_is_not_repeated() {
    let ended = run(&["postgres://tandem:hunter2@127.0.0.1/tandem"], &[]).await;
    assert_eq!(ended.code, Some(2));
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}
