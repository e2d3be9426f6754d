//! Outages of the database.

use std::sync::Arc;

use test_support::{Refusal, TestDatabase, refusal};
use tonic::Code;

use crate::support::{App, PASSWORD, database_unavailable};

const SHORT_ACQUIRE_TIMEOUT: [&str; 2] = ["--database-acquire-timeout-ms", "300"];

fn keys_unavailable() -> Refusal {
    Refusal::retryable(Code::Unavailable, "KEYS_UNAVAILABLE")
}

#[tokio::test]
async fn during_an_outage_calls_fail_with_a_retryable_error() {
    let app = App::with_own_server(&SHORT_ACQUIRE_TIMEOUT).await;
    let token = app.new_token("ada").await;
    app.database.halt();
    for error in [
        refusal(app.try_register("bob", PASSWORD).await),
        refusal(app.try_log_in("ada", PASSWORD).await),
        refusal(app.try_log_in("ada", "wrong-password").await),
        refusal(app.current_user(&token).await),
    ] {
        assert_eq!(error, database_unavailable());
    }
    app.key_set().await.expect("the keys are cached");
    app.service.eventually_not_ready().await;

    app.database.resume();
    app.service.eventually_ready().await;
    app.current_user(&token).await.unwrap();
    app.log_in("ada").await;
    app.register("bob").await;
}

#[tokio::test]
async fn after_an_outage_every_call_succeeds_immediately() {
    let app = Arc::new(App::with_own_server(&["--server-workers", "1"]).await);
    let token = app.new_token("ada").await;
    // Concurrent calls open several connections, all of which the outage breaks.
    let mut lock = app.lock_users().await;
    let calls: Vec<_> = (0..8).map(|_| app.spawn_log_in("ada")).collect();
    lock.eventually_blocks(8).await;
    lock.release().await;
    for call in calls {
        call.await.unwrap().unwrap();
    }

    app.database.halt();
    app.service.eventually_not_ready().await;
    app.database.resume();
    app.service.eventually_ready().await;
    for i in 0..20 {
        app.current_user(&token).await.unwrap_or_else(|status| panic!("call {i}: {status:?}"));
    }
    let calls: Vec<_> = (0..20).map(|_| app.spawn_log_in("ada")).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_service_that_starts_before_its_database_becomes_ready_with_it() {
    let database = Arc::new(TestDatabase::create_on_own_server().await);
    database.halt();
    let app = App::launch(&database, &SHORT_ACQUIRE_TIMEOUT).await;
    app.service.eventually_not_ready().await;
    assert_eq!(refusal(app.try_register("ada", PASSWORD).await), database_unavailable());
    assert_eq!(refusal(app.try_log_in("ada", PASSWORD).await), database_unavailable());
    assert_eq!(refusal(app.current_user("x.y.z").await), keys_unavailable());
    assert_eq!(refusal(app.key_set().await), keys_unavailable());
    let jwks = format!("{}/.well-known/jwks.json", app.service.url());
    let response = reqwest::get(jwks).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));

    database.resume();
    app.service.eventually_ready().await;
    let token = app.new_token("ada").await;
    app.current_user(&token).await.unwrap();
}

#[tokio::test]
async fn acknowledged_writes_survive_an_outage() {
    let app = App::with_own_server(&[]).await;
    let user = app.register("ada").await;
    app.database.halt();
    app.database.resume();
    app.service.eventually_ready().await;
    assert_eq!(app.query("select id::text from auth.users").await, user.id);
}
