//! RefreshToken: honest clients go on, whatever is lost; thieves do not.

use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{App, Login};

fn reused() -> Refusal {
    Refusal::new(Code::Unauthenticated, "REFRESH_TOKEN_REUSED")
}

fn invalid() -> Refusal {
    Refusal::new(Code::Unauthenticated, "REFRESH_TOKEN_INVALID")
}

/// Makes the last step of every session lie further back than the reuse window.
async fn let_the_window_pass(app: &App) {
    app.database
        .execute("update auth.sessions set rotate_time = rotate_time - interval '1h'")
        .await;
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_session() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let next = ada.refresh().await.unwrap();
    assert_ne!(next.tokens.refresh_token, ada.tokens.refresh_token);
    assert_ne!(next.tokens.access_token, ada.tokens.access_token);
    assert_eq!(next.session_id(), ada.session_id());
    assert_eq!(next.sessions().await.unwrap().len(), 1);
    next.refresh().await.unwrap().refresh().await.unwrap();
}

#[tokio::test]
async fn the_same_token_gives_the_same_next_one_for_a_moment() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let [first, second] = [ada.refresh().await.unwrap(), ada.refresh().await.unwrap()];
    assert_eq!(first.tokens.refresh_token, second.tokens.refresh_token);
    first.refresh().await.unwrap();
}

#[tokio::test]
async fn twenty_refreshes_at_once_make_one_step() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let mut refreshes = JoinSet::new();
    for _ in 0..20 {
        let ada = ada.clone();
        refreshes.spawn(async move { ada.refresh().await });
    }
    let answers = refreshes.join_all().await;
    let first = answers[0].as_ref().unwrap().tokens.refresh_token.clone();
    for answer in &answers {
        assert_eq!(answer.as_ref().unwrap().tokens.refresh_token, first);
    }
    let pool = app.database.pool().await;
    let generation: i64 =
        sqlx::query_scalar("select generation from auth.sessions").fetch_one(&pool).await.unwrap();
    assert_eq!(generation, 2);
}

#[tokio::test]
async fn a_client_whose_answer_was_lost_goes_on_a_day_later() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let lost = ada.refresh().await.unwrap();
    let_the_window_pass(&app).await;
    let next = ada.refresh().await.unwrap();
    assert_ne!(next.tokens.refresh_token, lost.tokens.refresh_token);
    // And again, any number of times.
    let_the_window_pass(&app).await;
    ada.refresh().await.unwrap().refresh().await.unwrap();
}

#[tokio::test]
async fn a_token_that_was_lost_and_replaced_ends_the_session() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let lost = ada.refresh().await.unwrap();
    let_the_window_pass(&app).await;
    let next = ada.refresh().await.unwrap();
    assert_eq!(refusal(lost.refresh().await), reused());
    assert_eq!(refusal(next.refresh().await), invalid());
}

#[tokio::test]
async fn a_thief_who_comes_first_is_out_at_the_honest_client_s_next_refresh() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let thief = ada.refresh().await.unwrap().refresh().await.unwrap();
    assert_eq!(refusal(ada.refresh().await), reused());
    assert_eq!(refusal(thief.refresh().await), invalid());
}

#[tokio::test]
async fn a_thief_who_comes_late_is_noticed_and_the_session_ends() {
    let app = App::start().await;
    let stolen = app.new_login("ada").await;
    let ada = stolen.refresh().await.unwrap().refresh().await.unwrap();
    assert_eq!(refusal(stolen.refresh().await), reused());
    assert_eq!(refusal(ada.refresh().await), invalid());
}

#[tokio::test]
async fn theft_ends_that_session_only() {
    let app = App::start().await;
    let stolen = app.new_login("ada").await;
    let other = app.begin_session("ada").await;
    stolen.refresh().await.unwrap().refresh().await.unwrap();
    assert_eq!(refusal(stolen.refresh().await), reused());
    other.refresh().await.unwrap();
}

#[tokio::test]
async fn a_session_that_was_idle_too_long_has_expired() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let expire = "update auth.sessions set expire_time = now() - interval '1s'";
    app.database.execute(expire).await;
    let expired = Refusal::new(Code::Unauthenticated, "REFRESH_TOKEN_EXPIRED");
    assert_eq!(refusal(ada.refresh().await), expired);
    assert!(ada.sessions().await.is_err());
}

#[tokio::test]
async fn a_refresh_extends_a_session_but_not_beyond_its_greatest_age() {
    let flags = ["--session-idle-seconds", "1000", "--session-absolute-seconds", "1500"];
    let app = App::with(&flags).await;
    let ada = app.new_login("ada").await;
    let begun = ada.tokens.refresh_token_expire_time.unwrap().seconds;
    let age = "update auth.sessions set
        create_time = create_time - interval '900s',
        absolute_expire_time = absolute_expire_time - interval '900s'";
    app.database.execute(age).await;
    let next = ada.refresh().await.unwrap().tokens.refresh_token_expire_time.unwrap().seconds;
    assert!((begun - 401..=begun - 399).contains(&next), "{begun} {next}");
}

#[tokio::test]
async fn whatever_is_no_refresh_token_of_ours_is_invalid() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let good = ada.tokens.refresh_token.clone();
    let mut changed = good.clone();
    changed.replace_range(30..31, if &good[30..31] == "A" { "B" } else { "A" });
    for bad in ["", "x", &good[1..], &format!("{good}A"), &changed, &ada.tokens.access_token] {
        let mut login = ada.clone();
        login.tokens.refresh_token = bad.to_owned();
        assert_eq!(refusal(login.refresh().await), invalid(), "{bad}");
    }
    ada.refresh().await.unwrap();
}

#[tokio::test]
async fn nothing_in_the_database_can_be_presented_as_a_token() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let pool = app.database.pool().await;
    let row: String = sqlx::query_scalar("select s::text from auth.sessions as s")
        .fetch_one(&pool)
        .await
        .unwrap();
    let token = &ada.tokens.refresh_token;
    assert!(!row.contains(token.as_str()) && !row.contains(&token[32..]), "{row}");
}

#[tokio::test]
async fn a_restart_loses_no_session() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let database = app.database.clone();
    app.stop().await.unwrap();
    let app = App::on(&database, &[]).await;
    let ada = Login { client: app.client(), ..ada };
    ada.refresh().await.unwrap().refresh().await.unwrap();
}
