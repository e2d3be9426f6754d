//! Signing keys follow one another. Time is made to pass in the database, whose clock decides.

use std::collections::BTreeSet;

use proto::auth::v1::JsonWebKey;
use test_support::{Refusal, eventually, refusal};
use tonic::Code;

use crate::support::{App, TokenParts, database, run, settings};

/// Looks for changes often enough not to be waited for.
const ATTENTIVE: [&str; 2] = ["--key-refresh-ms", "20"];

impl App {
    /// Makes the keys so much older.
    async fn let_time_pass(&self, interval: &str) {
        let sql = format!(
            "update auth.signing_keys set activate_time = activate_time - '{interval}'::interval"
        );
        self.database.execute(sql).await;
    }

    /// The kids that are published.
    async fn kids(&self) -> BTreeSet<String> {
        let keys = self.key_set().await.expect("the keys are there").into_inner().keys;
        keys.into_iter().map(|JsonWebKey { kid, .. }| kid).collect()
    }

    async fn eventually_publishes(&self, count: usize) -> BTreeSet<String> {
        eventually("so many keys are published", async || self.kids().await.len() == count).await;
        self.kids().await
    }
}

/// The key that signed a token.
fn kid(token: &str) -> String {
    TokenParts::of(token).header["kid"].as_str().expect("a token names its key").to_owned()
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_until_its_tokens_have_expired() {
    let app = App::with(&ATTENTIVE).await;
    let first = kid(&app.new_token("ada").await);
    app.let_time_pass("89 days 22 hours 50 minutes").await;
    assert_eq!(app.kids().await.len(), 1, "it is too early for the next one");

    app.let_time_pass("10 minutes").await;
    let both = app.eventually_publishes(2).await;
    let token = app.log_in("ada").await;
    assert_eq!(kid(&token), first, "the next one does not sign yet");

    app.let_time_pass("1 hour").await;
    eventually("the next one signs", async || kid(&app.log_in("ada").await) != first).await;
    app.current_user(&token).await.expect("the old one is still published");
    assert_eq!(app.kids().await, both);

    // A token lasts 10 minutes; leeway and grace are half a minute and four looks.
    app.let_time_pass("10 minutes").await;
    app.current_user(&token).await.expect("a token of the old one may still be good");
    app.let_time_pass("31 seconds").await;
    let left = app.eventually_publishes(1).await;
    assert!(!left.contains(&first));
    let answer = app.current_user(&token).await;
    assert_eq!(refusal(answer), Refusal::new(Code::Unauthenticated, "ACCESS_TOKEN_INVALID"));
    let stored = "select count(*)::text from auth.signing_keys";
    eventually("the old one is deleted", async || app.query(stored).await == "1").await;
}

#[tokio::test]
async fn instances_agree_on_the_next_key() {
    let database = database().await;
    let mut apps = Vec::new();
    for _ in 0..4 {
        apps.push(App::on(&database, &ATTENTIVE).await);
    }
    for round in 2..6 {
        apps[0].let_time_pass("89 days 23 hours").await;
        let expected = apps[0].eventually_publishes(2).await;
        for app in &apps {
            eventually("all publish the same", async || app.kids().await == expected).await;
        }
        let numbers = apps[0].query("select max(number)::text from auth.signing_keys").await;
        assert_eq!(numbers, round.to_string(), "one key was made");
        apps[0].let_time_pass("1 hour").await;
        apps[0].eventually_publishes(2).await;
        apps[0].let_time_pass("1 hour").await;
        apps[0].eventually_publishes(1).await;
    }
}

#[tokio::test]
async fn a_key_that_another_instance_has_just_made_is_followed_by_the_first_call_that_names_it() {
    let database = database().await;
    // One that looks so rarely that it does not during the test.
    let (one, other) = tokio::join!(App::on(&database, &ATTENTIVE), App::on(&database, &[]));
    let old = kid(&one.new_token("ada").await);
    // As if it were the only instance.
    let rotate = ["keys", "rotate", "--now", "--key-refresh-ms", "10"];
    let rotated = run(&rotate, &settings(&database)).await;
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    eventually("the new one signs", async || kid(&one.log_in("ada").await) != old).await;
    other.current_user(&one.log_in("ada").await).await.unwrap();
}

#[tokio::test]
async fn a_key_signs_when_its_time_has_come_without_news_from_the_database() {
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
    eventually("the next one signs", async || kid(&app.log_in("ada").await) != first).await;
}

#[tokio::test]
async fn who_cannot_read_the_keys_for_too_long_signs_no_more_and_comes_back() {
    let app = App::with(&["--key-refresh-ms", "100"]).await;
    let token = app.new_token("ada").await;
    app.database.execute("alter table auth.signing_keys rename to hidden").await;
    app.log_in("ada").await;
    app.eventually_not_ready().await;
    let answer = app.try_log_in("ada", crate::support::PASSWORD).await;
    assert_eq!(refusal(answer), Refusal::retryable(Code::Unavailable, "KEYS_UNAVAILABLE"));
    app.current_user(&token).await.expect("known keys verify");
    app.key_set().await.expect("known keys are published");

    app.database.execute("alter table auth.hidden rename to signing_keys").await;
    app.eventually_ready().await;
    app.log_in("ada").await;
}

#[tokio::test]
async fn an_outage_at_the_time_of_a_rotation_delays_it_and_no_more() {
    let app = App::with_own_server(&["--key-refresh-ms", "100"]).await;
    let token = app.new_token("ada").await;
    // Nobody prepares the next key while there is nobody to do it.
    app.database.halt();
    app.eventually_not_ready().await;
    app.key_set().await.expect("known keys are published");
    app.database.resume();
    app.let_time_pass("100 days").await;
    app.eventually_ready().await;
    assert_eq!(kid(&app.log_in("ada").await), kid(&token), "the old one signs until then");
    app.eventually_publishes(2).await;
    app.let_time_pass("1 hour").await;
    eventually("the next one signs", async || kid(&app.log_in("ada").await) != kid(&token)).await;
    app.current_user(&token).await.expect("the old one is still published");
}

#[tokio::test]
async fn tokens_that_last_longer_keep_their_key_published_for_longer() {
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
    eventually("the next one signs", async || kid(&app.log_in("ada").await) != kid(&token)).await;
    app.current_user(&token).await.unwrap();
}

#[tokio::test]
async fn a_key_of_somebody_else_in_the_database_stops_the_signing_until_it_is_revoked() {
    let app = App::with(&["--key-refresh-ms", "50"]).await;
    app.register("ada").await;
    let plant = "insert into auth.signing_keys
                 values ('planted', 'sealed', current_timestamp, 2, current_timestamp)";
    app.database.execute(plant).await;
    app.eventually_not_ready().await;
    assert_eq!(app.kids().await.len(), 1, "it is not published");
    let revoked = run(&["keys", "revoke", "planted"], &settings(&app.database)).await;
    assert_eq!(revoked.code, Some(0), "{revoked:?}");
    app.eventually_ready().await;
    app.log_in("ada").await;
}
