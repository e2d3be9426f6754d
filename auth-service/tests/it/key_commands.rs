//! `auth-service keys list`, `rotate` and `revoke`, as an operator runs them.

use std::time::{Duration, Instant};

use test_support::{Ended, Refusal, TestDatabase, eventually, refusal};
use tonic::Code;

use crate::support::{App, OTHER_ROOT_KEY, TokenParts, database, empty_database, run, settings};

/// Runs a command that succeeds, and returns the rows of its table: kid, state and times.
async fn rows(database: &TestDatabase, args: &[&str]) -> Vec<Vec<String>> {
    let ended = run(args, &settings(database)).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut lines = ended.stdout.lines();
    assert!(lines.next().is_some_and(|head| head.starts_with("KID")), "{ended:?}");
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

/// The states of the keys, in the order in which they become active.
fn states(rows: &[Vec<String>]) -> Vec<&str> {
    rows.iter().map(|row| row[1].as_str()).collect()
}

/// Runs a command that fails, and checks that it says so.
async fn fails(database: &TestDatabase, args: &[&str], says: &str) -> Ended {
    let ended = run(args, &settings(database)).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains(says), "{ended:?}");
    ended
}

#[tokio::test]
async fn list_shows_each_key_and_its_state() {
    let app = App::start().await;
    let rows = rows(&app.database, &["keys", "list"]).await;
    assert_eq!((rows[0][0].clone(), states(&rows)), (app.key().await.kid, vec!["active"]));
    assert_eq!(rows[0][4], "-", "it does not expire before another follows");
}

#[tokio::test]
async fn rotate_publishes_the_next_key_and_then_has_it_sign() {
    let app = App::with(&["--key-refresh-ms", "20"]).await;
    let first = app.key().await.kid;
    let rotated = rows(&app.database, &["keys", "rotate"]).await;
    assert_eq!(states(&rotated), ["active", "next"]);
    let published = async || app.key_set().await.unwrap().into_inner().keys.len() == 2;
    eventually("the running service publishes it", published).await;
    let again = fails(&app.database, &["keys", "rotate"], "--now").await;
    assert!(again.stderr.contains(&rotated[1][0]), "{again:?}");

    let promote = ["keys", "rotate", "--now", "--key-refresh-ms", "20"];
    let now = rows(&app.database, &promote).await;
    assert_eq!(states(&now), ["retired", "active"]);
    assert_eq!([&now[0][0], &now[1][0]], [&first, &rotated[1][0]]);
    app.register("ada").await;
    let signs = async || TokenParts::of(&app.log_in("ada").await).header["kid"] == now[1][0];
    eventually("it signs", signs).await;
}

#[tokio::test]
async fn a_key_that_is_to_sign_now_does_when_all_instances_publish_it() {
    let database = database().await;
    let rotate = ["keys", "rotate", "--now", "--key-refresh-ms", "2000"];
    let begun = Instant::now();
    assert_eq!(states(&rows(&database, &rotate).await), ["active", "next"]);
    let again = rows(&database, &rotate).await;
    let signs = async || states(&rows(&database, &["keys", "list"]).await) == ["retired", "active"];
    assert_eq!(again.len(), 2, "it is the same: {again:?}");
    eventually("it signs", signs).await;
    assert!(begun.elapsed() > Duration::from_secs(4));
}

#[tokio::test]
async fn rotate_stops_where_verifiers_would_refuse_the_set() {
    let database = database().await;
    let rotate = ["keys", "rotate", "--now", "--key-refresh-ms", "10"];
    while rows(&database, &["keys", "list"]).await.len() < 16 {
        rows(&database, &rotate).await;
    }
    let full = async || run(&rotate, &settings(&database)).await.stderr.contains("expired");
    eventually("the last one signs, and there is no room for another", full).await;
    fails(&database, &rotate, "expired").await;
    let app = App::on(&database, &[]).await;
    assert_eq!(app.key_set().await.unwrap().into_inner().keys.len(), 16);
}

#[tokio::test]
async fn a_key_that_is_revoked_is_refused_and_replaced_at_once() {
    let app = App::with(&["--key-refresh-ms", "20"]).await;
    let token = app.new_token("ada").await;
    let kid = app.key().await.kid;
    let revoked = rows(&app.database, &["keys", "revoke", &kid]).await;
    assert_eq!(states(&revoked), ["revoked", "active"]);
    eventually("it is refused", async || app.current_user(&token).await.is_err()).await;
    let answer = app.current_user(&token).await;
    assert_eq!(refusal(answer), Refusal::new(Code::Unauthenticated, "ACCESS_TOKEN_INVALID"));
    assert_eq!(app.key().await.kid, revoked[1][0]);
    app.current_user(&app.log_in("ada").await).await.unwrap();
    let private = "select length(sealed_private_key)::text from auth.signing_keys where number = 1";
    assert_eq!(app.query(private).await, "0");
    fails(&app.database, &["keys", "revoke", &kid], "keys list").await;
}

#[tokio::test]
async fn when_the_active_key_is_revoked_the_next_one_takes_its_place() {
    let database = database().await;
    let keys = rows(&database, &["keys", "rotate"]).await;
    let [active, next] = [&keys[0][0], &keys[1][0]];
    let keys = rows(&database, &["keys", "revoke", active]).await;
    assert_eq!((states(&keys), &keys[1][0]), (vec!["revoked", "active"], next));
}

#[tokio::test]
async fn a_running_service_replaces_a_key_whose_revocation_was_interrupted() {
    let app = App::with(&["--key-refresh-ms", "20"]).await;
    let kid = app.key().await.kid;
    app.database.execute("update auth.signing_keys set revoke_time = current_timestamp").await;
    eventually("another signs", async || app.key().await.kid != kid).await;
    app.new_token("ada").await;
}

#[tokio::test]
async fn a_wrong_root_key_revokes_nothing_unless_the_right_one_is_lost() {
    let database = database().await;
    let keys = rows(&database, &["keys", "rotate"]).await;
    let mut other = settings(&database);
    other.push(("AUTH_ROOT_KEY", OTHER_ROOT_KEY));
    let ended = run(&["keys", "revoke", &keys[0][0]], &other).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("--lost-root-key"), "{ended:?}");
    let listed = run(&["keys", "list"], &other).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stderr.contains("the root key does not open"), "{listed:?}");
    assert_eq!(states(&rows(&database, &["keys", "list"]).await), ["active", "next"]);

    for (key, left) in [(&keys[0][0], "next"), (&keys[1][0], "active")] {
        let ended = run(&["keys", "revoke", key, "--lost-root-key"], &other).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stdout.contains(left), "{ended:?}");
    }
    let app = App::on(&database, &["--root-key", OTHER_ROOT_KEY]).await;
    app.new_token("ada").await;
}

#[tokio::test]
async fn what_is_in_the_way_is_said_with_what_to_do() {
    let database = database().await;
    for kid in ["no-such-key", "-begins-with-a-hyphen", "--with-two", "-h-then-more", "-Version"] {
        fails(&database, &["keys", "revoke", kid], "keys list").await;
    }
    let flagged = ["keys", "revoke", "--key-refresh-ms", "100", "-no-such-key"];
    fails(&database, &flagged, "keys list").await;
    let flagged = ["keys", "revoke", "-no-such-key", "--key-refresh-ms", "100"];
    fails(&database, &flagged, "keys list").await;
    rows(&database, &["keys", "rotate"]).await;

    let mut variables = settings(&database);
    variables.push(("AUTH_ROOT_KEY", OTHER_ROOT_KEY));
    let ended = run(&["keys", "rotate", "--now"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("AUTH_ROOT_KEY"), "{ended:?}");
    assert!(!ended.stderr.contains(OTHER_ROOT_KEY), "{ended:?}");
    assert_eq!(states(&rows(&database, &["keys", "list"]).await), ["active", "next"]);

    let empty = empty_database().await;
    fails(&empty, &["keys", "list"], "run `migrate`").await;
    let mut variables = settings(&database);
    variables.push(("DATABASE_URL", "postgres://tandem:hunter2@127.0.0.1:1/tandem"));
    let ended = run(&["keys", "list"], &variables).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("cannot be reached"), "{ended:?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

#[tokio::test]
async fn an_invalid_command_is_rejected_with_its_mistake() {
    let database = database().await;
    for (args, says) in [
        (&["keys"][..], "Usage: auth-service keys <COMMAND>"),
        (&["keys", "destroy"], "unrecognized subcommand 'destroy'"),
        (&["keys", "revoke"], "<KID>"),
        (&["keys", "list", "some-kid"], "unexpected argument 'some-kid'"),
        (&["keys", "list", "--now"], "unexpected argument '--now'"),
        (&["serve", "list"], "unexpected argument 'list'"),
        (&["migrate", "--now"], "unexpected argument '--now'"),
        (&["keys", "rotate", "--lost-root-key"], "unexpected argument '--lost-root-key'"),
    ] {
        let ended = run(args, &settings(&database)).await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{args:?}: {ended:?}");
        assert!(ended.stderr.contains(says), "{args:?}: {ended:?}");
    }
}

#[tokio::test]
async fn keys_that_were_changed_are_security_events() {
    let database = database().await;
    let rotated = run(&["keys", "rotate"], &settings(&database)).await.stderr;
    for part in ["signing_key_rotated", "reason=\"first\"", "reason=\"command\"", "kid="] {
        assert!(rotated.contains(part), "{part}: {rotated}");
    }
    let keys = rows(&database, &["keys", "list"]).await;
    let revoked = run(&["keys", "revoke", &keys[0][0]], &settings(&database)).await.stderr;
    for part in ["signing_key_revoked", &keys[0][0], "reason=\"revocation\""] {
        assert!(revoked.contains(part), "{part}: {revoked}");
    }
}
