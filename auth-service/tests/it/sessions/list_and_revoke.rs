//! ListSessions, RevokeSession, RevokeOtherSessions and Logout.

use proto::auth::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{App, Login, unauthenticated};

fn ids(sessions: &[pb::Session]) -> Vec<String> {
    sessions.iter().map(|session| session.id.clone()).collect()
}

#[tokio::test]
async fn a_user_lists_their_own_sessions_newest_first() {
    let app = App::start().await;
    app.register("ada").await;
    app.register("bob").await;
    let [first, second] = [app.begin_session("ada").await, app.begin_session("ada").await];
    app.begin_session("bob").await;

    let sessions = second.sessions().await.unwrap();
    assert_eq!(ids(&sessions), [second.session_id(), first.session_id()]);
    assert_eq!(sessions.iter().map(|s| s.is_current).collect::<Vec<_>>(), [true, false]);
    assert_eq!(sessions[0].ip_address, "127.0.0.1");
    assert!(sessions[0].user_agent.contains("tonic"), "{}", sessions[0].user_agent);
    assert!(sessions[0].expire_time.unwrap().seconds > sessions[0].create_time.unwrap().seconds);
}

#[tokio::test]
async fn sessions_are_listed_in_pages() {
    let app = App::start().await;
    app.register("ada").await;
    for _ in 0..4 {
        app.begin_session("ada").await;
    }
    let login = app.begin_session("ada").await;
    let all = ids(&login.sessions().await.unwrap());
    let mut walked = Vec::new();
    let mut page_token = String::new();
    loop {
        let page = login.sessions_page(2, &page_token).await.unwrap();
        walked.extend(ids(&page.sessions));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!((walked.len(), walked), (5, all));
}

#[tokio::test]
async fn a_page_token_of_another_user_is_rejected() {
    let app = App::start().await;
    let [ada, bob] = [app.new_login("ada").await, app.new_login("bob").await];
    app.begin_session("ada").await;
    let page = ada.sessions_page(1, "").await.unwrap();
    let invalid = Refusal::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    assert_eq!(refusal(bob.sessions_page(1, &page.next_page_token).await), invalid);
    assert_eq!(refusal(bob.sessions_page(1, "garbage").await), invalid);
    assert_eq!(refusal(bob.sessions_page(-1, "").await), Refusal::invalid(&["page_size"]));
}

#[tokio::test]
async fn a_revoked_session_has_ended() {
    let app = App::start().await;
    app.register("ada").await;
    let [here, there] = [app.begin_session("ada").await, app.begin_session("ada").await];
    here.revoke(&there.session_id()).await.unwrap();
    assert_ended(&there).await;
    here.refresh().await.unwrap();
    let again = here.revoke(&there.session_id()).await;
    assert_eq!(refusal(again), Refusal::new(Code::NotFound, "SESSION_NOT_FOUND"));
}

#[tokio::test]
async fn a_session_id_may_be_spelt_as_any_uuid() {
    let app = App::start().await;
    app.register("ada").await;
    let here = app.begin_session("ada").await;
    let spellings: [fn(String) -> String; 4] = [
        |id| id.to_uppercase(),
        |id| id.replace('-', ""),
        |id| format!("{{{id}}}"),
        |id| format!("urn:uuid:{id}"),
    ];
    for spell in spellings {
        let there = app.begin_session("ada").await;
        here.revoke(&spell(there.session_id())).await.unwrap();
        assert_ended(&there).await;
    }
}

#[tokio::test]
async fn a_user_cannot_revoke_the_session_of_another_user() {
    let app = App::start().await;
    let [ada, bob] = [app.new_login("ada").await, app.new_login("bob").await];
    let answer = bob.revoke(&ada.session_id()).await;
    assert_eq!(refusal(answer), Refusal::new(Code::NotFound, "SESSION_NOT_FOUND"));
    for bad in ["", "x", "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(refusal(bob.revoke(bad).await), Refusal::invalid(&["session_id"]), "{bad}");
    }
    ada.refresh().await.unwrap();
}

#[tokio::test]
async fn a_user_can_revoke_all_other_sessions() {
    let app = App::start().await;
    app.register("ada").await;
    let bob = app.new_login("bob").await;
    let others = [app.begin_session("ada").await, app.begin_session("ada").await];
    let here = app.begin_session("ada").await;
    assert_eq!(here.revoke_others().await.unwrap(), 2);
    assert_eq!(here.revoke_others().await.unwrap(), 0);
    for other in &others {
        assert_ended(other).await;
    }
    here.refresh().await.unwrap();
    bob.refresh().await.unwrap();
}

#[tokio::test]
async fn an_expired_session_cannot_be_revoked() {
    let app = App::start().await;
    app.register("ada").await;
    let [there, here] = [app.begin_session("ada").await, app.begin_session("ada").await];
    let expire = "update auth.sessions set expire_time = now() - interval '1s'";
    app.database.execute(&format!("{expire} where id = '{}'", there.session_id())).await;
    let answer = here.revoke(&there.session_id()).await;
    assert_eq!(refusal(answer), Refusal::new(Code::NotFound, "SESSION_NOT_FOUND"));
    assert_eq!(here.revoke_others().await.unwrap(), 0);
}

#[tokio::test]
async fn logout_ends_the_callers_session_and_is_idempotent() {
    let app = App::start().await;
    app.register("ada").await;
    let [here, there] = [app.begin_session("ada").await, app.begin_session("ada").await];
    here.log_out().await.unwrap();
    here.log_out().await.unwrap();
    assert_ended(&here).await;
    there.refresh().await.unwrap();
}

#[tokio::test]
async fn at_the_limit_a_login_ends_the_least_recently_refreshed_session() {
    let app = App::with(&["--sessions-per-user", "2"]).await;
    app.register("ada").await;
    let [first, second] = [app.begin_session("ada").await, app.begin_session("ada").await];
    first.refresh().await.unwrap();
    let third = app.begin_session("ada").await;
    assert_ended(&second).await;
    assert_eq!(third.sessions().await.unwrap().len(), 2);
}

async fn assert_ended(login: &Login) {
    let refresh = refusal(login.refresh().await);
    assert_eq!(refresh, unauthenticated("REFRESH_TOKEN_INVALID"));
    let access = refusal(login.sessions().await);
    assert_eq!(access, unauthenticated("ACCESS_TOKEN_INVALID"));
}
