//! The commands `users`, each run as the real program beside a running service.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use proto::auth::v1::{self as pb, admin_service_client::AdminServiceClient};
use serde_json::Value;
use test_support::{Ended, refusal, with_token};

use crate::support::{App, PASSWORD, PATH, credentials_invalid, run, unauthenticated};

const OTHER_PASSWORD: &str = "brisk-lantern-over-harbour";

impl App {
    async fn command(&self, args: &[&str]) -> Ended {
        let variables = [("DATABASE_URL", self.database.url()), ("AUTH_BCRYPT_COST", "4")];
        run(&[&["users"], args].concat(), &variables).await
    }

    async fn command_json(&self, args: &[&str]) -> Value {
        let ended = self.command(&[args, &["--json"]].concat()).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        serde_json::from_str(&ended.stdout).expect("the output is JSON")
    }

    /// Runs a command with this standard input.
    fn command_with_stdin(&self, args: &[&str], stdin: &str) -> Ended {
        let mut command = Command::new(PATH);
        command.arg("users").args(args).env_clear();
        command.envs([("DATABASE_URL", self.database.url()), ("AUTH_BCRYPT_COST", "4")]);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("the program starts");
        let mut pipe = child.stdin.take().expect("it is a pipe");
        pipe.write_all(stdin.as_bytes()).expect("the program reads");
        drop(pipe);
        let output = child.wait_with_output().expect("the program ends");
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        Ended {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

fn failed(ended: &Ended, code: i32, message: &str) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains(message), "{ended:?}");
    assert_eq!(ended.stdout, "");
}

#[tokio::test]
async fn the_first_administrator_is_created_and_can_list_users() {
    let app = App::start().await;
    let create = ["create", "Ada", "--role", "admin", "--role", "editor"];
    let created = app.command_with_stdin(&create, &format!("{PASSWORD}\n"));
    assert_eq!(created.code, Some(0), "{created:?}");
    assert!(created.stdout.contains("roles          admin editor\n"), "{created:?}");
    assert!(!created.stdout.contains(PASSWORD) && !created.stderr.contains(PASSWORD));

    let ada = app.begin_session("ada").await;
    let request = with_token(&ada.tokens.access_token, pb::ListUsersRequest::default());
    let mut client = AdminServiceClient::new(app.service.channel());
    let users = client.list_users(request).await.unwrap().into_inner().users;
    assert_eq!(users[0].roles, ["admin", "editor"]);
    let event = "select actor || ' ' || event from auth.events where username = 'ada'";
    let pool = app.database.pool().await;
    let event: String = sqlx::query_scalar(event).fetch_one(&pool).await.unwrap();
    assert_eq!(event, "command user_created");
}

#[tokio::test]
async fn a_password_is_read_from_a_file_and_must_satisfy_the_rules() {
    let app = App::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let path = path.to_str().unwrap();
    let create = ["create", "ada", "--password-file", path];
    failed(&app.command(&create).await, 1, "--password-file");
    std::fs::write(path, "12345678").unwrap();
    failed(&app.command(&create).await, 1, "the password ");
    std::fs::write(path, PASSWORD).unwrap();
    assert_eq!(app.command(&create).await.code, Some(0));
    app.begin_session("ada").await;
    failed(&app.command(&create).await, 1, "this username is taken");
    failed(&app.command(&["create", "eve"]).await, 1, "must have at least 8 characters");
}

#[tokio::test]
async fn a_command_ends_the_sessions_of_the_user() {
    let app = App::start().await;
    let id = app.register("ada").await.id;
    app.register("eve").await;
    let eve = app.begin_session("eve").await;
    let commands: [(&[&str], &[&str]); 3] = [
        (&["set-roles", "ada", "editor"], &["set-roles", "ADA"]),
        (&["disable", "ada"], &["enable", "ada"]),
        (&["delete", &id], &["undelete", &id]),
    ];
    for (command, back) in commands {
        let ada = app.begin_session("ada").await;
        assert_eq!(app.command(command).await.code, Some(0), "{command:?}");
        assert_eq!(refusal(ada.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
        if command[0] != "set-roles" {
            assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), credentials_invalid());
        }
        assert_eq!(app.command(back).await.code, Some(0), "{back:?}");
    }
    let ada = app.begin_session("ada").await;
    let reset = app.command_with_stdin(&["reset-password", "ada"], OTHER_PASSWORD);
    assert_eq!(reset.code, Some(0), "{reset:?}");
    assert_eq!(refusal(ada.refresh().await), unauthenticated("REFRESH_TOKEN_INVALID"));
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), credentials_invalid());
    app.try_log_in("ada", OTHER_PASSWORD).await.unwrap();
    eve.user().await.expect("another user is not affected");
}

#[tokio::test]
async fn users_are_shown_as_text_and_as_json() {
    let app = App::start().await;
    for name in ["eve", "ada", "bob"] {
        app.register(name).await;
    }
    app.command(&["disable", "bob"]).await;
    app.command(&["delete", "eve"]).await;
    let listed = app.command(&["list"]).await.stdout;
    let columns = listed.lines().map(|line| line.split_whitespace().nth(1).unwrap());
    assert_eq!(columns.collect::<Vec<_>>(), ["USERNAME", "ada", "bob"]);
    let names = async |args: &[&str]| {
        let users = app.command_json(&[&["list"], args].concat()).await;
        let names = users.as_array().unwrap().iter().map(|user| user["username"].clone());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&["--show-deleted"]).await, ["ada", "bob", "eve"]);
    assert_eq!(names(&["--disabled"]).await, ["bob"]);
    assert_eq!(names(&["--username-prefix", "a"]).await, ["ada"]);
    assert_eq!(names(&["--role", "admin"]).await, Vec::<Value>::new());
    let eve = app.command_json(&["show", "eve"]).await;
    assert!(eve["deleteTime"].is_string() && eve["purgeTime"].is_string(), "{eve}");
    let shown = app.command(&["show", eve["id"].as_str().unwrap()]).await.stdout;
    assert!(shown.contains("state          deleted, purged from "), "{shown}");
}

#[tokio::test]
async fn what_prevents_a_command_is_said() {
    let app = App::start().await;
    let create = ["create", "ada", "--role", "admin"];
    assert_eq!(app.command_with_stdin(&create, PASSWORD).code, Some(0));
    for command in [&["set-roles", "ada"], &["disable", "ada"], &["delete", "ada"]] {
        failed(&app.command(command).await, 1, "the last enabled administrator");
    }
    failed(&app.command(&["show", "unknown"]).await, 1, "no such user");
    failed(&app.command(&["undelete", "ada"]).await, 1, "the user is not deleted");
    failed(&app.command(&["reset-totp", "ada"]).await, 1, "the second factor is not enabled");
    failed(&app.command(&["set-roles", "ada", "Admin"]).await, 2, "must begin with a letter");
    failed(&app.command(&["show", "a b"]).await, 2, "must not contain spaces");
    failed(&app.command(&["create"]).await, 2, "USERNAME");
    let away = run(&["users", "list"], &[("DATABASE_URL", "postgres://[::1]:1/a")]).await;
    failed(&away, 1, "the database");
}
