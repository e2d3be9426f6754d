//! The printed tour: a session with curl and one with grpcurl, whose lines work as they are.

use std::{net::SocketAddr, path::Path};

const AUTH: &str = "tandem.auth.v1.AuthService";
const TASKS: &str = "tandem.task.v1.TaskService";

/// A session over REST, for a POSIX shell, line by line or all at once.
fn curl(auth: SocketAddr, task: SocketAddr) -> [String; 7] {
    [
        "JSON='content-type: application/json'".to_owned(),
        r#"EVE="{\"username\": \"eve-$(date +%s)\", \"password\": \"quiet-otter-sails-north\"}""#
            .to_owned(),
        format!(r#"curl -s -H "$JSON" -d "$EVE" http://{auth}/v1/users"#),
        format!(
            "TOKEN=$(curl -s -H \"$JSON\" -d \"$EVE\" http://{auth}/v1/sessions \
             | grep -o '\"accessToken\":\"[^\"]*' | cut -d'\"' -f4)"
        ),
        r#"BEARER="authorization: Bearer $TOKEN""#.to_owned(),
        format!(
            r#"curl -s -H "$BEARER" -H "$JSON" -d '{{"title": "Water the plants"}}' {}"#,
            format_args!("http://{task}/v1/tasks"),
        ),
        format!(r#"curl -s -H "$BEARER" http://{task}/v1/tasks"#),
    ]
}

/// The same session over gRPC, with more calls.
fn grpcurl(auth: SocketAddr, task: SocketAddr) -> [String; 10] {
    let user = r#"-d "{\"username\": \"$NAME\", \"password\": \"quiet-otter-sails-north\"}""#;
    let keep = |field| format!(r#"tee /dev/stderr | sed -n 's/.*"{field}": "\([^"]*\)".*/\1/p'"#);
    let as_user = r#"grpcurl -plaintext -H "authorization: Bearer $TOKEN""#;
    let complete = r#"{"task": {"id": "$TASK", "is_complete": true},"#.to_owned()
        + r#" "update_mask": {"paths": ["is_complete"]}}"#;
    // In double quotes, so that the shell expands the variable.
    let complete = complete.replace('"', r#"\""#);
    [
        format!("grpcurl -plaintext {auth} list"),
        "NAME=ada-$(date +%s)".to_owned(),
        format!("grpcurl -plaintext {user} {auth} {AUTH}/Register"),
        format!("TOKEN=$(grpcurl -plaintext {user} {auth} {AUTH}/Login | {})", keep("accessToken")),
        format!("grpcurl -plaintext {task} describe {TASKS}"),
        format!(
            "TASK=$({as_user} -d '{{\"task\": {{\"title\": \"Water the plants\"}}}}' \
             {task} {TASKS}/CreateTask | {})",
            keep("id")
        ),
        format!("{as_user} {task} {TASKS}/ListTasks"),
        format!(r#"{as_user} -d "{complete}" {task} {TASKS}/UpdateTask"#),
        format!(r#"{as_user} -d "{{\"task_id\": \"$TASK\"}}" {task} {TASKS}/DeleteTask"#),
        format!("{as_user} {task} {TASKS}/ListTasks"),
    ]
}

/// The text about the administrator, whose password is known only if the user is new.
pub(crate) fn admin(auth: SocketAddr, username: &str, password: Option<&str>) -> String {
    let Some(password) = password else {
        return format!(
            "
{username} has the role admin. The password is unchanged."
        );
    };
    format!(
        r#"
{username} is an administrator with this password, which is not shown again: {password}

To list all users as {username}:

  ADMIN=$(curl -s -H 'content-type: application/json' \
    -d '{{"username": "{username}", "password": "{password}"}}' http://{auth}/v1/sessions \
    | grep -o '"accessToken":"[^"]*' | cut -d'"' -f4)
  curl -s -H "authorization: Bearer $ADMIN" http://{auth}/v1/admin/users"#
    )
}

/// The text that is printed when both services are ready.
pub(crate) fn welcome(auth: SocketAddr, task: SocketAddr, data_dir: &Path) -> String {
    let indent = |lines: &[String]| {
        lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    };
    let (curl, grpcurl) = (indent(&curl(auth, task)), indent(&grpcurl(auth, task)));
    format!(
        "
Read and try the APIs in a browser: http://{auth}/docs and
http://{task}/docs

auth-service answers on {auth}, task-service on {task}.
All data is in {}. Ctrl-C stops everything.

To try them with curl, paste these lines into another terminal:

{curl}

Or with grpcurl (https://github.com/fullstorydev/grpcurl#installation), one by one:

{grpcurl}
",
        data_dir.display()
    )
}
