//! The batches: all or nothing, in order, and errors that name the item.

use prost_types::FieldMask;
use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{ABSENT_ID, App, User, task_not_found, titled};

async fn create(alice: &User, titles: &[&str]) -> Vec<pb::Task> {
    let of =
        |title: &&str| pb::CreateTaskRequest { task: Some(titled(title)), ..Default::default() };
    let requests = titles.iter().map(of).collect();
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    let answer = alice.client.clone().batch_create_tasks(request).await;
    answer.expect("they are created").into_inner().tasks
}

fn retitle(task: &pb::Task, title: &str, etag: &str) -> pb::UpdateTaskRequest {
    let task = pb::Task { id: task.id.clone(), etag: etag.into(), ..titled(title) };
    let update_mask = Some(FieldMask { paths: vec!["title".into()] });
    pb::UpdateTaskRequest { task: Some(task), update_mask, validate_only: false }
}

fn delete(id: &str, etag: &str) -> pb::DeleteTaskRequest {
    pb::DeleteTaskRequest { task_id: id.into(), etag: etag.into() }
}

async fn update(
    alice: &User,
    requests: Vec<pb::UpdateTaskRequest>,
) -> Result<Vec<pb::Task>, tonic::Status> {
    let request = pb::BatchUpdateTasksRequest { requests, validate_only: false };
    Ok(alice.client.clone().batch_update_tasks(request).await?.into_inner().tasks)
}

async fn delete_all(
    alice: &User,
    requests: Vec<pb::DeleteTaskRequest>,
) -> Result<Vec<pb::Task>, tonic::Status> {
    let request = pb::BatchDeleteTasksRequest { requests };
    Ok(alice.client.clone().batch_delete_tasks(request).await?.into_inner().tasks)
}

async fn get(alice: &User, task_ids: Vec<String>) -> Result<Vec<pb::Task>, tonic::Status> {
    let request = pb::BatchGetTasksRequest { task_ids };
    Ok(alice.client.clone().batch_get_tasks(request).await?.into_inner().tasks)
}

#[tokio::test]
async fn tasks_come_back_in_the_order_asked_for() {
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
async fn updates_that_change_nothing_are_passed_over() {
    let app = App::start().await;
    let [alice] = app.users();
    let tasks = create(&alice, &["a", "b", "c"]).await;
    let titles = ["a", "changed", "c"];
    let requests = tasks.iter().zip(titles).map(|(task, title)| retitle(task, title, &task.etag));
    let updated = update(&alice, requests.collect()).await.unwrap();
    assert_eq!((&updated[0], &updated[2]), (&tasks[0], &tasks[2]));
    assert_ne!(updated[1].etag, tasks[1].etag);
}

#[tokio::test]
async fn one_bad_item_undoes_the_batch_and_is_named() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let tasks = create(&alice, &["a", "b", "c", "d"]).await;
    let foreign = create(&bob, &["of bob"]).await.remove(0);
    let gone = alice.delete(&tasks[3].id).await;
    let absent = pb::Task { id: ABSENT_ID.into(), ..Default::default() };
    let task_deleted = Refusal::new(Code::FailedPrecondition, "TASK_DELETED");
    let stale = Refusal::new(Code::Aborted, "ETAG_MISMATCH").with("etag", &tasks[2].etag);
    for (bad, etag, expected) in [
        (&absent, "", task_not_found()),
        (&foreign, "", task_not_found()),
        (&gone, "", task_deleted),
        (&tasks[2], "garbage", stale),
    ] {
        let expected = expected.with("field", "requests[2]");
        let updates =
            vec![retitle(&tasks[0], "x", ""), retitle(&tasks[1], "y", ""), retitle(bad, "z", etag)];
        assert_eq!(refusal(update(&alice, updates).await), expected);
        let deletes =
            vec![delete(&tasks[1].id, ""), delete(&tasks[0].id, ""), delete(&bad.id, etag)];
        assert_eq!(refusal(delete_all(&alice, deletes).await), expected);
    }
    let ids = vec![tasks[0].id.clone(), ABSENT_ID.into(), foreign.id.clone()];
    let expected = task_not_found().with("field", "task_ids[1]");
    assert_eq!(refusal(get(&alice, ids).await), expected);
    let ids = tasks[..3].iter().map(|task| task.id.clone()).collect();
    assert_eq!(get(&alice, ids).await.unwrap(), tasks[..3]);
    assert_eq!(bob.get(&foreign.id).await, foreign);
}

#[tokio::test]
async fn every_bad_field_is_named_with_its_place() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let item =
        |title: &str| pb::CreateTaskRequest { task: Some(titled(title)), ..Default::default() };
    let bad_priority = pb::Task { priority: 9, ..titled("") };
    let requests = vec![
        item("good"),
        item(""),
        pb::CreateTaskRequest { task: Some(bad_priority), ..Default::default() },
        pb::CreateTaskRequest::default(),
        pb::CreateTaskRequest { request_id: ABSENT_ID.into(), validate_only: true, ..item("x") },
    ];
    let request =
        pb::BatchCreateTasksRequest { requests, request_id: "x".into(), ..Default::default() };
    let answer = alice.client.batch_create_tasks(request).await;
    let expected = Refusal::invalid(&[
        "request_id",
        "requests[1].task.title",
        "requests[2].task.title",
        "requests[2].task.priority",
        "requests[3].task",
        "requests[4].request_id",
        "requests[4].validate_only",
    ]);
    assert_eq!(refusal(answer), expected);

    let task = alice.create("x").await;
    let bad_mask = pb::UpdateTaskRequest {
        update_mask: Some(FieldMask { paths: vec!["owner".into()] }),
        ..retitle(&titled("no id"), "x", "")
    };
    let only_tried = pb::UpdateTaskRequest { validate_only: true, ..retitle(&task, "", "") };
    let answer = update(&alice, vec![retitle(&task, "y", ""), bad_mask, only_tried]).await;
    let expected = Refusal::invalid(&[
        "requests[2].task.id",
        "requests[1].update_mask",
        "requests[1].task.id",
        "requests[2].task.title",
        "requests[2].validate_only",
    ]);
    assert_eq!(refusal(answer), expected);

    let deletes = vec![delete(&task.id, ""), delete("", ""), delete(&task.id, "")];
    let answer = delete_all(&alice, deletes).await;
    let expected = Refusal::invalid(&["requests[2].task_id", "requests[1].task_id"]);
    assert_eq!(refusal(answer), expected);
    let answer = get(&alice, vec![task.id.clone(), "x".into(), String::new()]).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["task_ids[1]", "task_ids[2]"]));
    assert_eq!(alice.page(0, "").await.tasks, [task]);
}

#[tokio::test]
async fn a_batch_has_1_to_100_items() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let item = pb::CreateTaskRequest { task: Some(titled("x")), ..Default::default() };
    for count in [0, 101, 5_000] {
        let requests = vec![item.clone(); count];
        let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
        let answer = alice.client.batch_create_tasks(request).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["requests"]), "{count}");
        let answer = get(&alice, vec![ABSENT_ID.into(); count]).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["task_ids"]), "{count}");
    }
    assert_eq!(refusal(update(&alice, vec![]).await), Refusal::invalid(&["requests"]));
    assert_eq!(refusal(delete_all(&alice, vec![]).await), Refusal::invalid(&["requests"]));
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn an_error_of_the_largest_bad_batch_is_small_and_counts_the_rest() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let bad = pb::Task { priority: 9, labels: vec![String::new()], ..titled("") };
    let item = pb::CreateTaskRequest { task: Some(bad), ..Default::default() };
    let requests = vec![item; 100];
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    let status = alice.client.batch_create_tasks(request).await.unwrap_err();
    assert!(status.message().ends_with("and 290 more"), "{status:?}");
    assert_eq!(refusal(Err::<(), _>(status)).fields.len(), 11);
}

#[tokio::test]
async fn a_batch_may_be_larger_than_other_messages_up_to_4_mib() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let of = |length| {
        let task = pb::Task { description: "x".repeat(length), ..titled("x") };
        pb::CreateTaskRequest { task: Some(task), ..Default::default() }
    };
    let requests = vec![of(10_000); 100];
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    let tasks = alice.client.batch_create_tasks(request).await.unwrap().into_inner().tasks;
    assert_eq!(tasks.len(), 100);
    let requests = vec![of(50_000); 100];
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    let answer = alice.client.batch_create_tasks(request).await;
    assert_eq!(refusal(answer), Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
}

#[tokio::test]
async fn an_answer_larger_than_clients_accept_is_refused() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { description: "🧀".repeat(10_000), ..titled("x") };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    let answer = get(&alice, vec![created.id.clone(); 100]).await;
    assert_eq!(refusal(answer), Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    assert_eq!(get(&alice, vec![created.id; 90]).await.unwrap().len(), 90);
}

#[tokio::test]
async fn nothing_is_written_whose_answer_would_be_larger_than_clients_accept() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let too_large = Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE");
    let item = |description: String| {
        let task = pb::Task { description, ..titled("x") };
        pb::CreateTaskRequest { task: Some(task), ..Default::default() }
    };
    let requests = vec![item("x".repeat(9_500)); 50];
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    let mut tasks = alice.client.batch_create_tasks(request).await.unwrap().into_inner().tasks;
    // Just below the largest request, whose answer is larger.
    let requests = vec![item("🧀".repeat(10_000)); 100];
    let mut request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    request.requests.iter_mut().for_each(|item| {
        let task = item.task.as_mut().expect("it has one");
        task.labels = (0..20).map(|n| format!("{n:030}")).collect();
    });
    assert!(prost::Message::encoded_len(&request) > 4_000_000);
    assert_eq!(refusal(alice.client.batch_create_tasks(request).await), too_large);
    let requests = vec![item("🧀".repeat(10_000)); 50];
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    tasks.extend(alice.client.batch_create_tasks(request).await.unwrap().into_inner().tasks);
    assert_eq!(tasks.len(), 100);

    let longer = |task: &pb::Task| {
        let description = format!("{}!", "🧀".repeat(9_999));
        let labels = (0..20).map(|n| format!("{n:030}")).collect();
        let task = pb::Task { id: task.id.clone(), description, labels, ..Default::default() };
        pb::UpdateTaskRequest { task: Some(task), ..Default::default() }
    };
    let halves = tasks.split_at(50);
    update(&alice, halves.0.iter().map(longer).collect()).await.unwrap();
    let before = get(&alice, vec![tasks[0].id.clone(), tasks[99].id.clone()]).await.unwrap();
    let updates = tasks.iter().map(|task| retitle(task, "y", "")).collect();
    assert_eq!(refusal(update(&alice, updates).await), too_large);
    let deletes = || tasks.iter().map(|task| delete(&task.id, "")).collect::<Vec<_>>();
    assert_eq!(refusal(delete_all(&alice, deletes()).await), too_large);
    let after = get(&alice, vec![tasks[0].id.clone(), tasks[99].id.clone()]).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(delete_all(&alice, deletes()[..90].to_vec()).await.unwrap().len(), 90);
}

#[tokio::test]
async fn batches_over_the_same_tasks_in_any_order_never_deadlock() {
    let app = App::start().await;
    let [alice] = app.users();
    let titles: Vec<_> = (0..30).map(|n| n.to_string()).collect();
    let titles: Vec<_> = titles.iter().map(String::as_str).collect();
    let tasks = create(&alice, &titles).await;
    let writers = (0..8).map(|writer| {
        let (alice, mut tasks) = (alice.clone(), tasks.clone());
        async move {
            let mut random = fastrand::Rng::with_seed(writer);
            for round in 0..10 {
                random.shuffle(&mut tasks);
                let title = format!("{writer} {round}");
                let updates = tasks[..20].iter().map(|task| retitle(task, &title, "")).collect();
                update(&alice, updates).await.expect("nobody is in the way for long");
                create(&alice, &["new"]).await;
            }
        }
    });
    writers.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(alice.count(&app.database).await, 30 + 80);
}
