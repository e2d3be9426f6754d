//! AccountEventsService, for other services.

use proto::auth::v1::{
    self as pb, account_event::Kind, account_events_service_client::AccountEventsServiceClient,
};
use test_support::{Refusal, bearer, refusal, with_authorization};
use tonic::{Code, Status};

use crate::support::{App, unauthenticated};

const SECRET: &str = "a-secret-of-32-visible-characters";
const WITH_SECRET: [&str; 2] = ["--account-events-secret", SECRET];

async fn list(
    app: &App,
    entries: &[&str],
    after_sequence: i64,
    page_size: i32,
) -> Result<pb::ListAccountEventsResponse, Status> {
    let request = pb::ListAccountEventsRequest { after_sequence, page_size };
    let mut client = AccountEventsServiceClient::new(app.service.channel());
    let request = with_authorization(entries, request);
    Ok(client.list_account_events(request).await?.into_inner())
}

#[tokio::test]
async fn purged_users_are_listed_in_the_order_of_their_purge() {
    let app = App::with(&WITH_SECRET).await;
    let secret = bearer(SECRET);
    let none = list(&app, &[&secret], 0, 0).await.unwrap();
    assert_eq!(none, pb::ListAccountEventsResponse::default());
    let add = "insert into auth.purged_users (user_id, purge_time)
               select gen_random_uuid(), timestamptz '2026-01-01 00:00:00Z'
               from generate_series(1, 7)";
    app.database.execute(add).await;
    let ids = "select string_agg(user_id::text, ',' order by sequence) from auth.purged_users";
    let ids = app.query(ids).await;
    let (mut events, mut sequence) = (Vec::new(), 0);
    loop {
        let page = list(&app, &[&secret], sequence, 3).await.unwrap();
        assert_eq!(page.last_sequence, 7);
        let Some(last) = page.events.last() else { break };
        assert!(page.events.len() <= 3 && last.sequence > sequence);
        sequence = last.sequence;
        events.extend(page.events);
    }
    let listed: Vec<_> = events.iter().map(|event| &*event.user_id).collect();
    assert_eq!(listed.join(","), ids);
    assert!(events.is_sorted_by_key(|event| event.sequence));
    let time = prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 };
    assert!(
        events
            .iter()
            .all(|event| event.kind() == Kind::UserPurged && event.create_time == Some(time))
    );
}

#[tokio::test]
async fn a_call_needs_the_secret() {
    let app = App::with(&WITH_SECRET).await;
    let token = bearer(&app.new_token("ada").await);
    let (secret, longer) = (bearer(SECRET), bearer(&format!("{SECRET}x")));
    let wrong = bearer(&SECRET.replace("32", "33"));
    for entries in [
        &[] as &[&str],
        &["Bearer"],
        &["Bearer "],
        &[SECRET],
        &[&wrong],
        &[&longer],
        &[&secret[..secret.len() - 1]],
        &[&token],
        &[&secret, &secret],
    ] {
        let rejected = refusal(list(&app, entries, 0, 0).await);
        assert_eq!(rejected, unauthenticated("SERVICE_SECRET_INVALID"), "{entries:?}");
    }
    list(&app, &[&secret.replace("Bearer", "bearer")], 0, 0).await.unwrap();
}

#[tokio::test]
async fn without_a_secret_each_call_is_rejected_and_says_which_setting_is_missing() {
    let app = App::start().await;
    let status = list(&app, &[&bearer(SECRET)], 0, 0).await.unwrap_err();
    assert!(status.message().contains("ACCOUNT_EVENTS_SECRET"), "{status:?}");
    let off = Refusal::new(Code::FailedPrecondition, "ACCOUNT_EVENTS_OFF");
    assert_eq!(refusal::<()>(Err(status)), off);
}

#[tokio::test]
async fn all_invalid_fields_are_named() {
    let app = App::with(&WITH_SECRET).await;
    let rejected = refusal(list(&app, &[&bearer(SECRET)], -1, -1).await);
    assert_eq!(rejected, Refusal::invalid(&["after_sequence", "page_size"]));
}
