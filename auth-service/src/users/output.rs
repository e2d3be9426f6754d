//! Users as text and as JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::domain::user::User;

/// A user in the API's JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    id: String,
    username: String,
    create_time: String,
    update_time: String,
    roles: &'a [String],
    disabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_time: Option<String>,
    etag: String,
    totp_enabled: bool,
}

impl<'a> Json<'a> {
    fn of(user: &'a User) -> Self {
        let exact = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
        Self {
            id: user.id.to_string(),
            username: user.username.to_string(),
            create_time: exact(user.create_time),
            update_time: exact(user.update_time),
            roles: user.roles.as_slice(),
            disabled: user.disabled,
            delete_time: user.delete_time.map(exact),
            purge_time: user.purge_time.map(exact),
            etag: user.etag().to_string(),
            totp_enabled: user.totp_enabled,
        }
    }
}

/// The users as an array.
pub(super) fn json(users: &[User]) -> String {
    pretty(&users.iter().map(Json::of).collect::<Vec<_>>())
}

/// The user as an object.
pub(super) fn json_of(user: &User) -> String {
    pretty(&Json::of(user))
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("it is plain data")
}

/// The users, one a line.
pub(super) fn table(users: &[User]) -> String {
    let row = |[id, username, state, created, roles]: [&str; 5]| {
        let line = format!("{id:36}  {username:32}  {state:8}  {created:20}  {roles}");
        line.trim_end().to_owned()
    };
    let head = row(["ID", "USERNAME", "STATE", "CREATED", "ROLES"]);
    let rows = users.iter().map(|user| {
        let (id, username) = (user.id.to_string(), user.username.to_string());
        let (created, roles) = (time(user.create_time), roles(user));
        row([&id, &username, state(user), &created, &roles])
    });
    [head].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// All about a user, a line for each field.
pub(super) fn details(user: &User) -> String {
    let purge = user.purge_time.map(|purge| format!(", purged from {}", time(purge)));
    let state = format!("{}{}", state(user), purge.unwrap_or_default());
    let roles = roles(user);
    let fields = [
        ("id", user.id.to_string()),
        ("username", user.username.to_string()),
        ("state", state),
        ("roles", if roles.is_empty() { "-".to_owned() } else { roles }),
        ("second factor", if user.totp_enabled { "TOTP" } else { "-" }.to_owned()),
        ("created", time(user.create_time)),
        ("changed", time(user.update_time)),
    ];
    fields.map(|(name, value)| format!("{name:14} {value}")).join("\n")
}

fn state(user: &User) -> &'static str {
    match user {
        User { delete_time: Some(_), .. } => "deleted",
        User { disabled: true, .. } => "disabled",
        _ => "enabled",
    }
}

fn roles(user: &User) -> String {
    user.roles.as_slice().join(" ")
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
