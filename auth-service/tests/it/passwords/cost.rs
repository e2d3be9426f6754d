//! The cost of rating passwords, and hashes of another bcrypt cost or version.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::support::{App, PASSWORD, registration};

/// Full of digits and signs that can stand for letters: zxcvbn takes most of a second to rate it.
const EXPENSIVE: &str = "4@8({[<369!1|0$57+%24@8({[<369!1|0$57+%24@8({[<369!1|0$57+%24@8({[<369!";

#[tokio::test]
async fn passwords_that_are_expensive_to_rate_do_not_delay_other_calls() {
    let app = App::start().await;
    let mut flood = JoinSet::new();
    for i in 0..8 {
        let mut client = app.client();
        let request = registration(&format!("eve-{i}"), EXPENSIVE);
        flood.spawn(async move { client.register(request).await.is_ok() });
    }
    let mut slowest = Duration::ZERO;
    while flood.try_join_next().is_none() {
        let start = Instant::now();
        app.key_set().await.unwrap();
        slowest = slowest.max(start.elapsed());
    }
    // On the runtime's threads, the eight ratings would delay this call by several seconds.
    assert!(slowest < Duration::from_millis(1500), "{slowest:?}");
}

#[tokio::test]
async fn a_login_upgrades_the_hash_to_the_configured_cost() {
    let app = App::with(&["--bcrypt-cost", "5"]).await;
    app.register("ada").await;
    let database = app.database.clone();
    app.stop().await.unwrap();

    let app = App::on(&database, &["--bcrypt-cost", "6"]).await;
    let hash = async || app.query("select password_hash from auth.users").await;
    assert!(app.try_log_in("ada", "not-the-password").await.is_err());
    assert!(hash().await.starts_with("$2b$05$"));
    app.try_log_in("ada", PASSWORD).await.unwrap();
    assert!(hash().await.starts_with("$2b$06$"));
    app.begin_session("ada").await.refresh().await.unwrap();
}

#[tokio::test]
async fn concurrent_logins_succeed_while_one_upgrades_the_hash() {
    let app = App::start().await;
    app.register("ada").await;
    app.store_password_hash(&bcrypt::non_truncating_hash(PASSWORD, 6).unwrap()).await;
    let logins: JoinSet<_> = (0..10).map(|_| app.spawn_log_in("ada")).collect();
    for login in logins.join_all().await {
        login.unwrap().unwrap();
    }
}

#[tokio::test]
async fn hashes_of_other_bcrypt_versions_match() {
    let app = App::start().await;
    app.register("ada").await;
    let hash = app.query("select password_hash from auth.users").await;
    for version in ["$2a$", "$2b$", "$2y$"] {
        let other = hash.replace("$2b$", version);
        app.store_password_hash(&other).await;
        app.try_log_in("ada", PASSWORD).await.unwrap();
    }
}
