//! The printed tour: a grpcurl session whose lines work as they are.

use std::{net::SocketAddr, path::Path};

const AUTH: &str = "tandem.auth.v1.AuthService";
const TASKS: &str = "tandem.task.v1.TaskService";

/// The lines of the session, for a POSIX shell, one by one or all at once.
pub(crate) fn lines(auth: SocketAddr, task: SocketAddr) -> [String; 10] {
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

/// The text that is printed when both services are ready.
pub(crate) fn welcome(auth: SocketAddr, task: SocketAddr, data_dir: &Path) -> String {
    let lines = lines(auth, task).map(|line| format!("  {line}")).join("\n");
    format!(
        "
auth-service answers on {auth}, task-service on {task}.
All data is in {}. Ctrl-C stops everything.

To try it, paste these lines into another terminal, one by one
(with grpcurl: https://github.com/fullstorydev/grpcurl#installation):

{lines}
",
        data_dir.display()
    )
}
