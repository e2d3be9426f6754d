//! RefreshToken: a client keeps its session even if an answer is lost, and a stolen token ends it.

use test_support::{Refusal, eventually, refusal};
use tokio::task::JoinSet;

use crate::support::{App, Login, unauthenticated};

fn reused() -> Refusal {
    unauthenticated("REFRESH_TOKEN_REUSED")
}

fn invalid() -> Refusal {
    unauthenticated("REFRESH_TOKEN_INVALID")
}

/// Moves the last refresh of every session to before the reuse window.
async fn let_the_reuse_window_pass(app: &App) {
    app.database
        .execute("update auth.sessions set rotate_time = rotate_time - interval '1h'")
        .await;
}

#[tokio::test]
async fn a_refresh_returns_new_tokens_of_the_same_session() {
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
async fn within_the_reuse_window_a_token_yields_the_same_successor() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let [first, second] = [ada.refresh().await.unwrap(), ada.refresh().await.unwrap()];
    assert_eq!(first.tokens.refresh_token, second.tokens.refresh_token);
    first.refresh().await.unwrap();
}

#[tokio::test]
async fn twenty_concurrent_refreshes_rotate_the_token_once() {
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
    assert_eq!(app.query("select generation::text from auth.sessions").await, "2");
}

#[tokio::test]
async fn a_client_whose_answer_was_lost_can_refresh_after_the_reuse_window() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let lost = ada.refresh().await.unwrap();
    let_the_reuse_window_pass(&app).await;
    let next = ada.refresh().await.unwrap();
    assert_ne!(next.tokens.refresh_token, lost.tokens.refresh_token);
    // The answer can be lost any number of times.
    let_the_reuse_window_pass(&app).await;
    ada.refresh().await.unwrap().refresh().await.unwrap();
}

#[tokio::test]
async fn a_lost_token_that_was_replaced_ends_the_session() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let lost = ada.refresh().await.unwrap();
    let_the_reuse_window_pass(&app).await;
    let next = ada.refresh().await.unwrap();
    assert_eq!(refusal(lost.refresh().await), reused());
    assert_eq!(refusal(next.refresh().await), invalid());
}

#[tokio::test]
async fn a_thief_who_refreshes_first_loses_the_session_at_the_clients_next_refresh() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let thief = ada.refresh().await.unwrap().refresh().await.unwrap();
    assert_eq!(refusal(ada.refresh().await), reused());
    assert_eq!(refusal(thief.refresh().await), invalid());
}

#[tokio::test]
async fn a_thief_who_refreshes_later_ends_the_session() {
    let app = App::start().await;
    let stolen = app.new_login("ada").await;
    let ada = stolen.refresh().await.unwrap().refresh().await.unwrap();
    assert_eq!(refusal(stolen.refresh().await), reused());
    assert_eq!(refusal(ada.refresh().await), invalid());
}

#[tokio::test]
async fn a_reused_token_ends_only_its_own_session() {
    let app = App::start().await;
    let stolen = app.new_login("ada").await;
    let other = app.begin_session("ada").await;
    stolen.refresh().await.unwrap().refresh().await.unwrap();
    assert_eq!(refusal(stolen.refresh().await), reused());
    other.refresh().await.unwrap();
}

#[tokio::test]
async fn a_session_without_refreshes_expires() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let expire = "update auth.sessions set expire_time = now() - interval '1s'";
    app.database.execute(expire).await;
    let expired = unauthenticated("REFRESH_TOKEN_EXPIRED");
    assert_eq!(refusal(ada.refresh().await), expired);
    assert!(ada.sessions().await.is_err());
}

/// PostgreSQL's clock does not advance within a statement, so that equality tells it from any other.
#[tokio::test]
async fn the_times_of_a_session_come_from_the_databases_clock() {
    let flags = ["--session-idle-seconds", "1000", "--session-absolute-seconds", "1500"];
    let app = App::with(&flags).await;
    app.database
        .execute(
            "create function reject_other_clocks() returns trigger language plpgsql as $$ begin
                if new.last_refresh_time <> current_timestamp
                    or new.rotate_time <> current_timestamp
                    or new.expire_time <> current_timestamp + interval '1000s'
                    or new.absolute_expire_time <> new.create_time + interval '1500s'
                    or tg_op = 'INSERT' and new.create_time <> current_timestamp
                then raise exception 'another clock';
                end if;
                return new;
             end $$;
             create trigger reject_other_clocks before insert or update on auth.sessions
             for each row execute function reject_other_clocks()",
        )
        .await;
    let ada = app.new_login("ada").await.refresh().await.unwrap();
    let answered = ada.tokens.refresh_token_expire_time.unwrap();
    let stored = app.query("select extract(epoch from expire_time)::text from auth.sessions").await;
    assert_eq!(stored, format!("{}.{:06}", answered.seconds, answered.nanos / 1000));
}

#[tokio::test]
async fn a_session_that_expires_while_its_refresh_waits_for_a_connection_is_not_refreshed() {
    let one_connection = ["--server-workers", "1", "--database-max-connections", "1"];
    let flags = [&one_connection[..], &["--database-lock-timeout-ms", "10000"]].concat();
    let app = App::with(&flags).await;
    let ada = app.new_login("ada").await;
    let mut lock = app.lock_users().await;
    let (there, here) = (ada.clone(), ada.clone());
    let holds_the_connection = tokio::spawn(async move { there.sessions().await });
    lock.eventually_blocks(1).await;
    let expire = "update auth.sessions set expire_time = now() + interval '500ms'";
    app.database.execute(expire).await;
    let refresh = tokio::spawn(async move { here.refresh().await });
    let expired = "select (expire_time <= now())::text from auth.sessions";
    eventually("the session expires", async || app.query(expired).await == "true").await;
    lock.release().await;
    let expired = unauthenticated("REFRESH_TOKEN_EXPIRED");
    assert_eq!(refusal(refresh.await.unwrap()), expired);
    drop(holds_the_connection);
}

#[tokio::test]
async fn a_refresh_extends_a_session_up_to_its_absolute_limit() {
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
async fn text_that_is_not_a_refresh_token_of_this_service_is_invalid() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let good = ada.tokens.refresh_token.clone();
    let mut changed = good.clone();
    changed.replace_range(30..31, if &good[30..31] == "A" { "B" } else { "A" });
    for text in ["", "x", &good[1..], &format!("{good}A"), &changed, &ada.tokens.access_token] {
        let mut login = ada.clone();
        login.tokens.refresh_token = text.to_owned();
        assert_eq!(refusal(login.refresh().await), invalid(), "{text}");
    }
    ada.refresh().await.unwrap();
}

#[tokio::test]
async fn a_row_in_the_database_does_not_reveal_the_token() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let row = app.query("select s::text from auth.sessions as s").await;
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
