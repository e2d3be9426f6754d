//! ListTasks: the default order and the page size.

use test_support::{Refusal, refusal};

use crate::support::App;

#[tokio::test]
async fn the_newest_come_first() {
    let app = App::start().await;
    let [alice] = app.users();
    let mut created = Vec::new();
    for title in ["one", "two", "three"] {
        created.insert(0, alice.create(title).await);
    }
    assert_eq!(alice.page(0, "").await.tasks, created);
}

#[tokio::test]
async fn ties_are_broken_by_id() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 100).await;
    app.database.execute("update task.tasks set create_time = '2026-01-01'").await;
    let ids: Vec<_> = alice.page(100, "").await.tasks.into_iter().map(|task| task.id).collect();
    assert!(ids.is_sorted_by(|one, next| one > next), "{ids:?}");
}

#[tokio::test]
async fn the_page_size_defaults_to_50_and_is_at_most_200() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 250).await;
    for (asked, given) in [(0, 50), (1, 1), (199, 199), (200, 200), (201, 200), (i32::MAX, 200)] {
        let page = alice.page(asked, "").await;
        assert_eq!(page.tasks.len(), given, "{asked}");
        assert!(!page.next_page_token.is_empty());
    }
}

#[tokio::test]
async fn a_negative_page_size_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    for size in [-1, i32::MIN] {
        let answer = alice.try_page(size, "").await;
        assert_eq!(refusal(answer), Refusal::invalid(&["page_size"]));
    }
}

#[tokio::test]
async fn a_list_without_tasks_is_empty_and_has_no_token() {
    let app = App::start().await;
    let [alice] = app.users();
    let page = alice.page(0, "").await;
    assert!(page.tasks.is_empty());
    assert!(page.next_page_token.is_empty());
}
