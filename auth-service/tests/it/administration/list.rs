//! ListUsers and GetUser.

use proto::auth::v1::{self as pb, get_user_request::User as Key};
use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{Admin, App, imported_user, new_user};

async fn names(admin: &Admin, request: pb::ListUsersRequest) -> Vec<String> {
    let users = admin.list(request).await.expect("the list is valid").users;
    users.into_iter().map(|user| user.username).collect()
}

fn filtered(filter: pb::UserFilter) -> pb::ListUsersRequest {
    pb::ListUsersRequest { filter: Some(filter), order_by: "username".to_owned(), ..all() }
}

fn all() -> pb::ListUsersRequest {
    pb::ListUsersRequest::default()
}

#[tokio::test]
async fn a_user_is_found_by_id_and_by_username_in_any_case() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let bob = admin.create(new_user("bob", &["editor"])).await.unwrap();
    assert_eq!(admin.get(&bob.id.to_uppercase()).await.unwrap(), bob);
    assert_eq!(admin.get_by(Key::Username("BOB".to_owned())).await.unwrap(), bob);
    let answer = admin.get_by(Key::Username("eve".to_owned())).await;
    assert_eq!(refusal(answer), Refusal::new(Code::NotFound, "USER_NOT_FOUND"));
    let answer = admin.get_by(Key::Username("e".to_owned())).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["username"]));
}

#[tokio::test]
async fn each_condition_of_a_filter_counts() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    for (name, roles) in
        [("bob", ["editor"].as_slice()), ("bobby", &["editor", "beta"]), ("b_b", &[])]
    {
        admin.create(new_user(name, roles)).await.unwrap();
    }
    let bob = admin.get_by(Key::Username("bob".to_owned())).await.unwrap();
    admin.set_disabled(&bob.id, true).await.unwrap();
    let eve = admin.create(new_user("eve", &["editor"])).await.unwrap();
    admin.delete(&eve.id, "").await.unwrap();

    assert_eq!(names(&admin, all()).await, ["b_b", "bobby", "bob", "ada"]);
    let with_deleted = pb::ListUsersRequest { show_deleted: true, ..all() };
    assert_eq!(names(&admin, with_deleted).await, ["eve", "b_b", "bobby", "bob", "ada"]);
    let filter = pb::UserFilter::default;
    let prefix = |text: &str| pb::UserFilter { username_prefix: text.to_owned(), ..filter() };
    assert_eq!(names(&admin, filtered(prefix("BO"))).await, ["bob", "bobby"]);
    assert_eq!(names(&admin, filtered(prefix("b_"))).await, ["b_b"]);
    let role = |role: &str| pb::UserFilter { role: role.to_owned(), ..filter() };
    assert_eq!(names(&admin, filtered(role("editor"))).await, ["bob", "bobby"]);
    assert_eq!(names(&admin, filtered(role("admin"))).await, ["ada"]);
    let disabled = |disabled| pb::UserFilter { disabled: Some(disabled), ..filter() };
    assert_eq!(names(&admin, filtered(disabled(true))).await, ["bob"]);
    assert!(!names(&admin, filtered(disabled(false))).await.contains(&"bob".to_owned()));
    let all_at_once = pb::UserFilter { disabled: Some(false), ..role("editor") };
    let all_at_once = pb::UserFilter { username_prefix: "bob".to_owned(), ..all_at_once };
    assert_eq!(names(&admin, filtered(all_at_once)).await, ["bobby"]);

    let after = pb::UserFilter { create_time_after: bob.create_time, ..filter() };
    assert!(names(&admin, filtered(after)).await.contains(&"bob".to_owned()));
    let before = pb::UserFilter { create_time_before: bob.create_time, ..filter() };
    assert_eq!(names(&admin, filtered(before)).await, ["ada"]);
    let mut later = bob.create_time.unwrap();
    later.nanos += 1;
    let after = pb::UserFilter { create_time_after: Some(later), ..filter() };
    assert!(!names(&admin, filtered(after)).await.contains(&"bob".to_owned()));
}

#[tokio::test]
async fn pages_in_each_order_show_every_user_once() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let hash = bcrypt::non_truncating_hash("any", 4).unwrap();
    // A batch has one create_time, so that ids break ties.
    let batch = (0..30).map(|i| imported_user(&format!("user-{i:02}"), &hash)).collect();
    let mut expected = admin.create_batch(batch, "").await.unwrap();
    expected.push(admin.get(&admin.id).await.unwrap());
    for order_by in ["", "create_time", "create_time desc", "username", "username desc"] {
        let mut request = pb::ListUsersRequest {
            page_size: 7,
            order_by: order_by.to_owned(),
            ..pb::ListUsersRequest::default()
        };
        let mut users = Vec::new();
        loop {
            let page = admin.list(request.clone()).await.unwrap();
            users.extend(page.users);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        let time = |user: &pb::User| user.create_time.map(|time| (time.seconds, time.nanos));
        expected.sort_by_key(|user| {
            let by_name = order_by.contains("username");
            let text = if by_name { &user.username } else { &user.id };
            (if by_name { None } else { time(user) }, text.clone())
        });
        if order_by.is_empty() || order_by.ends_with("desc") {
            expected.reverse();
        }
        assert_eq!(users, expected, "{order_by}");
    }
}

#[tokio::test]
async fn a_page_token_is_valid_only_for_its_caller_and_list() {
    let app = App::start().await;
    let [ada, bob] = [app.new_admin("ada").await, app.new_admin("bob").await];
    let first = pb::ListUsersRequest { page_size: 1, ..all() };
    let page_token = ada.list(first.clone()).await.unwrap().next_page_token;
    let next = pb::ListUsersRequest { page_token, ..first };
    ada.list(next.clone()).await.unwrap();
    let invalid = Refusal::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
    assert_eq!(refusal(bob.list(next.clone()).await), invalid);
    let role = pb::UserFilter { role: "admin".to_owned(), ..Default::default() };
    for other in [
        pb::ListUsersRequest { order_by: "username".to_owned(), ..next.clone() },
        pb::ListUsersRequest { show_deleted: true, ..next.clone() },
        pb::ListUsersRequest { filter: Some(role), ..next.clone() },
        pb::ListUsersRequest { page_token: "x".to_owned(), ..all() },
    ] {
        assert_eq!(refusal(ada.list(other).await), invalid);
    }
}

#[tokio::test]
async fn each_invalid_field_of_a_list_is_named() {
    let app = App::start().await;
    let admin = app.new_admin("ada").await;
    let time = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    let request = pb::ListUsersRequest {
        page_size: -1,
        order_by: "id".to_owned(),
        filter: Some(pb::UserFilter {
            username_prefix: "%".to_owned(),
            role: "Admin".to_owned(),
            disabled: None,
            create_time_after: time(0, -1),
            create_time_before: time(i64::MAX, 0),
        }),
        ..all()
    };
    let fields = [
        "page_size",
        "filter.username_prefix",
        "filter.role",
        "filter.create_time_after",
        "filter.create_time_before",
        "order_by",
    ];
    assert_eq!(refusal(admin.list(request).await), Refusal::invalid(&fields));
}
