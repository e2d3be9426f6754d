//! What it costs to rate a password, and to verify one whose hash has another cost.

use std::time::{Duration, Instant};

use proto::auth::v1 as pb;
use tokio::task::JoinSet;

use crate::support::{App, PASSWORD};

/// Full of digits and signs that may stand for letters: zxcvbn takes most of a second for it.
const EXPENSIVE: &str = "4@8({[<369!1|0$57+%24@8({[<369!1|0$57+%24@8({[<369!1|0$57+%24@8({[<369!";

#[tokio::test]
async fn passwords_that_are_expensive_to_rate_keep_nobody_else_waiting() {
    let app = App::start().await;
    let mut flood = JoinSet::new();
    for i in 0..8 {
        let mut client = app.client();
        let (username, password) = (format!("eve-{i}"), EXPENSIVE.to_owned());
        flood.spawn(async move {
            client
                .register(pb::RegisterRequest { username, password, ..Default::default() })
                .await
                .is_ok()
        });
    }
    let mut slowest = Duration::ZERO;
    while flood.try_join_next().is_none() {
        let start = Instant::now();
        app.key_set().await.unwrap();
        slowest = slowest.max(start.elapsed());
    }
    // On the runtime, the eight would keep this call waiting for several seconds.
    assert!(slowest < Duration::from_millis(1500), "{slowest:?}");
}

#[tokio::test]
async fn a_login_brings_the_hash_to_the_cost_of_new_ones() {
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
async fn logins_at_once_do_not_fail_because_one_of_them_brought_the_hash_to_another_cost() {
    let app = App::start().await;
    app.register("ada").await;
    app.store_password_hash(&bcrypt::non_truncating_hash(PASSWORD, 6).unwrap()).await;
    let logins: JoinSet<_> = (0..10).map(|_| app.spawn_log_in("ada")).collect();
    for login in logins.join_all().await {
        login.unwrap().unwrap();
    }
}

#[tokio::test]
async fn hashes_of_other_bcrypt_systems_verify() {
    let app = App::start().await;
    app.register("ada").await;
    let hash = app.query("select password_hash from auth.users").await;
    for version in ["$2a$", "$2b$", "$2y$"] {
        let other = hash.replace("$2b$", version);
        app.database.execute(format!("update auth.users set password_hash = '{other}'")).await;
        app.try_log_in("ada", PASSWORD).await.unwrap();
    }
}
