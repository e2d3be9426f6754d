//! ListTasks with large tasks: a page stays below what gRPC clients accept.

use prost::Message as _;
use proto::task::v1 as pb;

use crate::support::App;

#[tokio::test]
async fn pages_of_the_largest_tasks_stay_small_and_skip_none() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let task = pb::Task {
        title: "🧀".repeat(200),
        description: "🧀".repeat(10_000),
        ..Default::default()
    };
    for _ in 0..60 {
        let request = pb::CreateTaskRequest { task: Some(task.clone()), ..Default::default() };
        alice.client.create_task(request).await.unwrap();
    }
    let mut ids = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListTasksRequest { page_size: 200, page_token, ..Default::default() };
        let page = alice.client.list_tasks(request).await.unwrap().into_inner();
        assert!(page.encoded_len() < 2 * 1024 * 1024, "{}", page.encoded_len());
        ids.extend(page.tasks.into_iter().map(|task| task.id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 60);
}
