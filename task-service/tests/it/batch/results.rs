//! What the batches return.

use prost_types::FieldMask;
use proto::task::v1 as pb;

use super::{create, delete, delete_all, get, retitle, update};
use crate::support::App;

#[tokio::test]
async fn tasks_are_returned_in_the_order_of_the_request() {
    let app = App::start().await;
    let [alice] = app.users();
    let titles: Vec<_> = (0..100).map(|n| format!("task {n}")).collect();
    let titles: Vec<_> = titles.iter().map(String::as_str).collect();
    let mut tasks = create(&alice, &titles).await;
    assert_eq!(tasks.iter().map(|task| &*task.title).collect::<Vec<_>>(), titles);
    let etags: std::collections::HashSet<_> = tasks.iter().map(|task| &task.etag).collect();
    assert_eq!(etags.len(), 100);

    tasks.reverse();
    tasks.swap(3, 70);
    let ids = tasks.iter().map(|task| task.id.clone());
    assert_eq!(get(&alice, ids.clone().collect()).await.unwrap(), tasks);
    let twice = vec![tasks[5].id.clone(), tasks[1].id.clone(), tasks[5].id.clone()];
    let expected = [tasks[5].clone(), tasks[1].clone(), tasks[5].clone()];
    assert_eq!(get(&alice, twice).await.unwrap(), expected);

    let requests = tasks.iter().map(|task| retitle(task, &format!("{}!", task.title), &task.etag));
    let updated = update(&alice, requests.collect()).await.unwrap();
    for (before, after) in tasks.iter().zip(&updated) {
        assert_eq!(after.title, format!("{}!", before.title));
        assert_ne!(after.etag, before.etag);
    }
    assert_eq!(get(&alice, ids.clone().collect()).await.unwrap(), updated);

    let requests = updated.iter().map(|task| delete(&task.id, &task.etag)).collect();
    let deleted = delete_all(&alice, requests).await.unwrap();
    for (before, after) in updated.iter().zip(&deleted) {
        assert_eq!(after.title, before.title);
        assert!(after.delete_time.is_some());
    }
    assert_eq!(get(&alice, ids.collect()).await.unwrap(), deleted);
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn each_update_has_its_own_mask() {
    let app = App::start().await;
    let [alice] = app.users();
    let tasks = create(&alice, &["a", "b", "c"]).await;
    let body = |task: &pb::Task| pb::Task {
        id: task.id.clone(),
        title: "new".into(),
        description: "new".into(),
        is_complete: true,
        priority: 4,
        labels: vec!["new".into()],
        ..Default::default()
    };
    let masks = [&["title"][..], &["priority", "labels"], &["*"]];
    let requests = tasks.iter().zip(masks).map(|(task, mask)| pb::UpdateTaskRequest {
        task: Some(body(task)),
        update_mask: Some(FieldMask { paths: mask.iter().map(ToString::to_string).collect() }),
        validate_only: false,
    });
    let [one, two, three] = update(&alice, requests.collect()).await.unwrap().try_into().unwrap();
    assert_eq!(pb::Task { title: "a".into(), etag: tasks[0].etag.clone(), ..one.clone() }, {
        pb::Task { update_time: one.update_time, ..tasks[0].clone() }
    });
    assert_eq!((&*two.title, two.priority, two.is_complete), ("b", 4, false));
    assert_eq!(two.labels, ["new"]);
    assert_eq!((&*three.title, three.priority, three.is_complete), ("new", 4, true));
    assert_eq!(three.description, "new");
}

#[tokio::test]
async fn an_item_that_changes_nothing_keeps_its_etag() {
    let app = App::start().await;
    let [alice] = app.users();
    let tasks = create(&alice, &["a", "b", "c"]).await;
    let titles = ["a", "changed", "c"];
    let requests = tasks.iter().zip(titles).map(|(task, title)| retitle(task, title, &task.etag));
    let updated = update(&alice, requests.collect()).await.unwrap();
    assert_eq!((&updated[0], &updated[2]), (&tasks[0], &tasks[2]));
    assert_ne!(updated[1].etag, tasks[1].etag);
}
