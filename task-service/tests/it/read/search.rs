//! ListTasks with a text: the work of one call is bounded.

use proto::task::v1 as pb;

use crate::support::{App, User};

/// A list of the tasks with this text, in this order.
fn search(text: &str, order_by: &str) -> pb::ListTasksRequest {
    let filter = pb::TaskFilter { text: text.into(), ..Default::default() };
    pb::ListTasksRequest { filter: Some(filter), order_by: order_by.into(), ..Default::default() }
}

/// Gives the user 150 tasks with descriptions of 40,000 bytes, 6 MB together.
async fn seed_long(alice: &User, app: &App) {
    alice.seed(&app.database, 150).await;
    let long = "update task.tasks
        set description = repeat('long text ', 4000),
            description_folded = repeat('long text ', 4000)";
    app.database.execute(long).await;
}

#[tokio::test]
async fn a_search_ends_its_page_early_and_goes_on_with_the_token() {
    let app = App::start().await;
    let [alice] = app.users();
    seed_long(&alice, &app).await;
    let newest = alice.create("needle").await;
    // 2 MiB are 53 of these tasks, so that three calls examine all.
    for (order_by, lengths) in [("", [1, 0, 0]), ("create_time", [0, 0, 1]), ("title", [1, 0, 0])] {
        let found = alice.walk(&search("needle", order_by), 50).await;
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "{order_by}");
        assert_eq!(found.concat(), std::slice::from_ref(&newest), "{order_by}");
    }
}

#[tokio::test]
async fn a_search_neither_skips_nor_repeats_where_it_stops() {
    let app = App::start().await;
    let [alice] = app.users();
    seed_long(&alice, &app).await;
    for order_by in ["", "create_time", "due desc, title", "priority, update_time desc"] {
        let list = pb::ListTasksRequest { order_by: order_by.into(), ..Default::default() };
        let all = alice.walk(&list, 200).await.concat();
        for text in ["task 3", "long", "no task has this"] {
            let expected: Vec<_> = all
                .iter()
                .filter(|task| task.title.contains(text) || task.description.contains(text))
                .cloned()
                .collect();
            for page_size in [1, 7, 200] {
                let found = alice.walk(&search(text, order_by), page_size).await.concat();
                assert_eq!(found.len(), expected.len(), "{text} by {order_by}, {page_size}");
                assert!(found == expected, "{text} by {order_by}, {page_size}");
            }
        }
    }
}

#[tokio::test]
async fn a_search_of_little_text_has_one_page() {
    let app = App::start().await;
    let [alice] = app.users();
    // By 270 bytes each, they are 1.9 MB.
    alice.seed(&app.database, 7_000).await;
    let page = alice.try_list(search("absent", "title")).await.expect("it is listed").into_inner();
    assert_eq!(page, pb::ListTasksResponse::default());
}
