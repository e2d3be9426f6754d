//! ListEvents of one's own account, and of all accounts by an administrator.

use proto::auth::v1::{
    self as pb, admin_service_client::AdminServiceClient, auth_service_client::AuthServiceClient,
};
use shared::ids::UserId;
use test_support::{Refusal, refusal, with_token};
use tonic::{Code, Status, transport::Channel};

use crate::support::{App, Login, unauthenticated};

async fn own(
    login: &Login,
    page_size: i32,
    page_token: &str,
) -> Result<pb::ListEventsResponse, Status> {
    let request = pb::ListEventsRequest { page_size, page_token: page_token.to_owned() };
    let mut client: AuthServiceClient<Channel> = login.client.clone();
    let request = with_token(&login.tokens.access_token, request);
    Ok(client.list_events(request).await?.into_inner())
}

/// A list of all events by a user with a filter.
async fn all(
    app: &App,
    login: &Login,
    page_token: &str,
    filter: pb::EventFilter,
) -> Result<pb::AdminServiceListEventsResponse, Status> {
    let (page_token, filter) = (page_token.to_owned(), Some(filter));
    let request = pb::AdminServiceListEventsRequest { page_size: 2, page_token, filter };
    let mut client = AdminServiceClient::new(app.service.channel());
    let request = with_token(&login.tokens.access_token, request);
    Ok(client.list_events(request).await?.into_inner())
}

fn names(events: &[pb::Event]) -> Vec<&str> {
    events.iter().map(|event| &*event.event).collect()
}

#[tokio::test]
async fn a_user_reads_the_events_of_the_own_account_newest_first() {
    let app = App::start().await;
    let user = app.register("ada").await;
    let ada = app.begin_session("ada").await;
    app.new_login("bob").await;
    app.try_log_in("ada", "wrong-password").await.unwrap_err();
    app.eventually_audit_rows(5).await;
    let events = own(&ada, 0, "").await.unwrap().events;
    assert_eq!(names(&events), ["login_failed", "login_succeeded", "registered"]);
    assert!(events.iter().all(|event| event.user_id == user.id && event.username == "ada"));
    let login = &events[1];
    assert_eq!((&*login.actor, &login.actor_id), ("user", &user.id));
    assert_eq!((&login.session_id, &*login.ip_address), (&ada.session_id(), "127.0.0.1"));
    assert!(login.user_agent.contains("tonic/") && login.create_time.is_some());
    assert_eq!(events[0].actor_id, "");
}

#[tokio::test]
async fn a_user_does_not_read_where_an_administrator_calls_from() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = app.new_login("bob").await;
    let id = bob.user().await.unwrap().id;
    admin.reset_token(&id).await.unwrap();
    let events = own(&bob, 0, "").await.unwrap().events;
    let event = events.iter().find(|event| event.actor == "administrator").unwrap();
    assert_eq!((&*event.event, &event.actor_id), ("password_reset_token_created", &admin.id));
    let client = [&event.session_id, &event.ip_address, &event.user_agent];
    assert_eq!(client, [""; 3]);
    let filter = pb::EventFilter { actor_id: admin.id.clone(), ..pb::EventFilter::default() };
    let events = all(&app, &admin.login, "", filter).await.unwrap().events;
    let event = events.iter().find(|event| event.user_id == id).unwrap();
    assert_eq!(event.ip_address, "127.0.0.1");
    assert!(events.iter().all(|event| event.actor_id == admin.id), "{events:?}");
}

#[tokio::test]
async fn pages_hold_each_event_once_even_if_their_times_are_equal() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    app.eventually_audit_rows(2).await;
    let add = "insert into auth.events (id, create_time, event, user_id, actor)
               select gen_random_uuid(), timestamptz '2026-01-01' + n / 3 * interval '1 second',
                   'logged_out', user_id, 'user'
               from auth.events, generate_series(1, 50) as n
               where event = 'registered'";
    app.database.execute(add).await;
    let (mut events, mut token) = (Vec::new(), String::new());
    loop {
        let page = own(&ada, 7, &token).await.unwrap();
        assert!(page.events.len() <= 7);
        events.extend(page.events);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(events.len(), 52);
    let time = |event: &pb::Event| event.create_time.map(|time| (time.seconds, time.nanos));
    assert!(events.is_sorted_by(|a, b| (time(a), &a.id) > (time(b), &b.id)));
}

#[tokio::test]
async fn a_page_token_of_another_user_or_list_is_rejected() {
    let app = App::start().await;
    let (ada, bob) = (app.new_admin("ada").await.login, app.new_login("bob").await);
    app.begin_session("bob").await;
    app.eventually_audit_rows(5).await;
    let invalid = Refusal::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    let token = own(&bob, 1, "").await.unwrap().next_page_token;
    assert!(!token.is_empty());
    assert_eq!(refusal(own(&ada, 1, &token).await), invalid);
    assert_eq!(refusal(own(&ada, 1, "x").await), invalid);
    let everything = pb::EventFilter::default;
    let token = all(&app, &ada, "", everything()).await.unwrap().next_page_token;
    assert_eq!(refusal(own(&ada, 1, &token).await), invalid);
    let other = pb::EventFilter { events: vec!["logged_out".into()], ..everything() };
    assert_eq!(refusal(all(&app, &ada, &token, other).await), invalid);
    assert!(!all(&app, &ada, &token, everything()).await.unwrap().events.is_empty());
}

#[tokio::test]
async fn a_list_needs_a_token_of_a_session_that_has_not_ended() {
    let app = App::start().await;
    let ada = app.new_login("ada").await;
    let request = pb::ListEventsRequest::default();
    let missing = app.client().list_events(request).await;
    assert_eq!(refusal(missing), unauthenticated("ACCESS_TOKEN_MISSING"));
    assert_eq!(refusal(own(&ada, -1, "").await), Refusal::invalid(&["page_size"]));
    ada.log_out().await.unwrap();
    assert_eq!(refusal(own(&ada, 0, "").await), unauthenticated("ACCESS_TOKEN_INVALID"));
}

#[tokio::test]
async fn an_administrator_reads_all_events_by_user_name_and_time() {
    let app = App::start().await;
    let ada = app.new_admin("ada").await.login;
    let bob = app.register("bob").await;
    app.try_log_in("bob", "wrong-password").await.unwrap_err();
    app.try_log_in("eve", "wrong-password").await.unwrap_err();
    app.eventually_audit_rows(5).await;
    let walk = async |filter: pb::EventFilter| {
        let (mut events, mut token) = (Vec::new(), String::new());
        loop {
            let page = all(&app, &ada, &token, filter.clone()).await.unwrap();
            events.extend(page.events);
            token = page.next_page_token;
            if token.is_empty() {
                return events;
            }
        }
    };
    let everything = walk(pb::EventFilter::default()).await;
    let expected = [
        "login_failed",
        "login_failed",
        "registered",
        "login_succeeded",
        "registered",
        "signing_key_rotated",
    ];
    assert_eq!(names(&everything), expected);
    assert_eq!(everything[5].details["reason"], "first");
    assert_eq!((&*everything[5].actor, &*everything[5].user_id), ("service", ""));

    let of_bob = pb::EventFilter { user_id: bob.id.clone(), ..Default::default() };
    assert_eq!(names(&walk(of_bob).await), ["login_failed", "registered"]);
    let events = vec!["registered".to_owned(), "login_succeeded".to_owned()];
    let named = pb::EventFilter { events, ..Default::default() };
    assert_eq!(names(&walk(named).await), ["registered", "login_succeeded", "registered"]);
    // From the login on, and before the first failure.
    let (create_time_after, create_time_before) =
        (everything[3].create_time, everything[1].create_time);
    let range = pb::EventFilter { create_time_after, create_time_before, ..Default::default() };
    assert_eq!(names(&walk(range).await), ["registered", "login_succeeded"]);
    let stranger = UserId::generate().to_string();
    let unknown = pb::EventFilter { user_id: stranger, ..Default::default() };
    assert!(walk(unknown).await.is_empty());
}

#[tokio::test]
async fn all_events_are_for_administrators_only_and_bad_filters_are_named_at_once() {
    let app = App::start().await;
    let (ada, bob) = (app.new_admin("ada").await.login, app.new_login("bob").await);
    let rejected = all(&app, &bob, "", pb::EventFilter::default()).await;
    assert_eq!(refusal(rejected), Refusal::new(Code::PermissionDenied, "ADMIN_REQUIRED"));
    let bad = pb::EventFilter {
        actor_id: "x".to_owned(),
        user_id: "no id".into(),
        events: vec!["registered".into(), "made_up".into()],
        create_time_after: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }),
        create_time_before: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }),
    };
    let fields = ["user_id", "actor_id", "events[1]", "create_time_after", "create_time_before"];
    let fields = fields.map(|field| format!("filter.{field}"));
    let fields: Vec<_> = fields.iter().map(|field| &**field).collect();
    assert_eq!(refusal(all(&app, &ada, "", bad).await), Refusal::invalid(&fields));
    let events = vec!["registered".to_owned(); 51];
    let many = pb::EventFilter { events, ..Default::default() };
    assert_eq!(refusal(all(&app, &ada, "", many).await), Refusal::invalid(&["filter.events"]));
}
