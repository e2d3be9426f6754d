//! Rotation of signing keys. Tests move the keys' times back instead of the database's clock.

use std::collections::BTreeSet;

use proto::auth::v1::JsonWebKey;
use test_support::{Refusal, eventually, refusal};
use tonic::Code;

use crate::support::{App, PASSWORD, TokenParts, database, run, settings, unauthenticated};

const QUICK_REFRESH: [&str; 2] = ["--key-refresh-ms", "20"];

impl App {
    /// Ages the keys by this interval.
    async fn let_time_pass(&self, interval: &str) {
        let sql = format!(
            "update auth.signing_keys set activate_time = activate_time - '{interval}'::interval"
        );
        self.database.execute(sql).await;
    }

    /// The ids of the published keys.
    async fn kids(&self) -> BTreeSet<String> {
        let keys = self.key_set().await.expect("keys are published").into_inner().keys;
        keys.into_iter().map(|JsonWebKey { kid, .. }| kid).collect()
    }

    async fn eventually_publishes(&self, count: usize) -> BTreeSet<String> {
        let what = format!("{count} keys are published");
        eventually(&what, async || self.kids().await.len() == count).await;
        self.kids().await
    }
}

/// The id of the key that signed a token.
fn kid(token: &str) -> String {
    TokenParts::of(token).header["kid"].as_str().expect("the token names its key").to_owned()
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_until_its_tokens_have_expired() {
    let app = App::with(&QUICK_REFRESH).await;
    let first = kid(&app.new_token("ada").await);
    app.let_time_pass("89 days 22 hours 50 minutes").await;
    assert_eq!(app.kids().await.len(), 1, "the next key is not due yet");

    app.let_time_pass("10 minutes").await;
    let both = app.eventually_publishes(2).await;
    let token = app.log_in("ada").await;
    assert_eq!(kid(&token), first, "the next key does not sign yet");

    app.let_time_pass("1 hour").await;
    eventually("the next key signs", async || kid(&app.log_in("ada").await) != first).await;
    app.current_user(&token).await.expect("the old key is still published");
    assert_eq!(app.kids().await, both);

    // A token lasts 10 minutes. Leeway and grace are half a minute and four refresh intervals.
    app.let_time_pass("10 minutes").await;
    app.current_user(&token).await.expect("a token of the old key can still be valid");
    app.let_time_pass("31 seconds").await;
    let left = app.eventually_publishes(1).await;
    assert!(!left.contains(&first));
    let answer = app.current_user(&token).await;
    assert_eq!(refusal(answer), unauthenticated("ACCESS_TOKEN_INVALID"));
    let stored = "select count(*)::text from auth.signing_keys";
    eventually("the old key is deleted", async || app.query(stored).await == "1").await;
}

#[tokio::test]
async fn instances_agree_on_the_next_key() {
    let database = database().await;
    let mut apps = Vec::new();
    for _ in 0..4 {
        apps.push(App::on(&database, &QUICK_REFRESH).await);
    }
    for round in 2..6 {
        apps[0].let_time_pass("89 days 23 hours").await;
        let expected = apps[0].eventually_publishes(2).await;
        for app in &apps {
            eventually("all publish the same keys", async || app.kids().await == expected).await;
        }
        let numbers = apps[0].query("select max(number)::text from auth.signing_keys").await;
        assert_eq!(numbers, round.to_string(), "one key is created per round");
        apps[0].let_time_pass("1 hour").await;
        apps[0].eventually_publishes(2).await;
        apps[0].let_time_pass("1 hour").await;
        apps[0].eventually_publishes(1).await;
    }
}

#[tokio::test]
async fn a_token_of_a_key_that_another_instance_has_just_created_is_accepted() {
    let database = database().await;
    // The other's refresh interval is longer than the test.
    let (one, other) = tokio::join!(App::on(&database, &QUICK_REFRESH), App::on(&database, &[]));
    let old = kid(&one.new_token("ada").await);
    // The short interval makes the command wait for no other instance.
    let rotate = ["keys", "rotate", "--now", "--key-refresh-ms", "10"];
    let rotated = run(&rotate, &settings(&database)).await;
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    eventually("the new key signs", async || kid(&one.log_in("ada").await) != old).await;
    other.current_user(&one.log_in("ada").await).await.unwrap();
}

#[tokio::test]
async fn a_key_becomes_active_on_time_without_the_database() {
    let app = App::start().await;
    let first = kid(&app.new_token("ada").await);
    let database = app.database.clone();
    app.stop().await.unwrap();
    assert_eq!(run(&["keys", "rotate"], &settings(&database)).await.code, Some(0));
    let soon = "update auth.signing_keys set activate_time = current_timestamp + '3 seconds'
                where number = 2";
    database.execute(soon).await;

    let app = App::on(&database, &[]).await;
    database.execute("alter table auth.signing_keys rename to hidden").await;
    assert_eq!(kid(&app.log_in("ada").await), first);
    eventually("the next key signs", async || kid(&app.log_in("ada").await) != first).await;
}

#[tokio::test]
async fn a_service_with_stale_keys_stops_signing_until_it_can_read_them() {
    let app = App::with(&["--key-refresh-ms", "100"]).await;
    let token = app.new_token("ada").await;
    app.database.execute("alter table auth.signing_keys rename to hidden").await;
    app.log_in("ada").await;
    app.service.eventually_not_ready().await;
    let answer = app.try_log_in("ada", PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::retryable(Code::Unavailable, "KEYS_UNAVAILABLE"));
    app.current_user(&token).await.expect("cached keys verify");
    app.key_set().await.expect("cached keys are published");

    app.database.execute("alter table auth.hidden rename to signing_keys").await;
    app.service.eventually_ready().await;
    app.log_in("ada").await;
}

#[tokio::test]
async fn an_outage_at_the_time_of_a_rotation_only_delays_it() {
    let app = App::with_own_server(&["--key-refresh-ms", "100"]).await;
    let token = app.new_token("ada").await;
    app.database.halt();
    app.service.eventually_not_ready().await;
    app.key_set().await.expect("cached keys are published");
    app.database.resume();
    app.let_time_pass("100 days").await;
    app.service.eventually_ready().await;
    assert_eq!(kid(&app.log_in("ada").await), kid(&token), "the old key signs until then");
    app.eventually_publishes(2).await;
    app.let_time_pass("1 hour").await;
    eventually("the next key signs", async || kid(&app.log_in("ada").await) != kid(&token)).await;
    app.current_user(&token).await.expect("the old key is still published");
}

#[tokio::test]
async fn the_longest_token_lifetime_decides_how_long_a_key_stays_published() {
    let short = ["--access-token-lifetime-seconds", "60", "--key-refresh-ms", "20"];
    let app = App::with(&short).await;
    let lifetime = "select max(token_lifetime_seconds)::text from auth.signing_keys";
    assert_eq!(app.query(lifetime).await, "60");
    let long = App::on(&app.database, &["--access-token-lifetime-seconds", "900"]).await;
    assert_eq!(app.query(lifetime).await, "900");
    let token = long.new_token("ada").await;
    app.let_time_pass("89 days 23 hours").await;
    app.eventually_publishes(2).await;
    app.let_time_pass("1 hour 14 minutes").await;
    eventually("the next key signs", async || kid(&app.log_in("ada").await) != kid(&token)).await;
    app.current_user(&token).await.unwrap();
}

#[tokio::test]
async fn a_foreign_key_in_the_database_stops_signing_until_it_is_revoked() {
    let app = App::with(&["--key-refresh-ms", "50"]).await;
    app.register("ada").await;
    let plant = "insert into auth.signing_keys
                 values ('planted', 'sealed', current_timestamp, 2, current_timestamp)";
    app.database.execute(plant).await;
    app.service.eventually_not_ready().await;
    assert_eq!(app.kids().await.len(), 1, "the foreign key is not published");
    let revoked = run(&["keys", "revoke", "planted"], &settings(&app.database)).await;
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    app.service.eventually_ready().await;
    app.log_in("ada").await;
}
