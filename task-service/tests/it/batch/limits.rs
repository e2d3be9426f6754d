//! How large batches, their answers and their errors can be.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;

use super::{delete, delete_all, get, retitle, update};
use crate::support::{ABSENT_ID, App, titled};

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
async fn the_error_of_the_largest_bad_batch_lists_ten_violations_and_counts_the_rest() {
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
async fn a_batch_request_can_have_up_to_4_mib() {
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
async fn an_answer_larger_than_clients_accept_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { description: "🧀".repeat(10_000), ..titled("x") };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    let answer = get(&alice, vec![created.id.clone(); 100]).await;
    assert_eq!(refusal(answer), Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    assert_eq!(get(&alice, vec![created.id; 90]).await.unwrap().len(), 90);
}

#[tokio::test]
async fn a_write_whose_answer_would_be_too_large_is_rejected() {
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
async fn a_batch_of_many_empty_items_is_not_decoded() {
    let app = App::start().await;
    let [alice] = app.users();
    let requests = vec![pb::CreateTaskRequest::default(); 100_000];
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    let refused = alice.client.clone().batch_create_tasks(request).await;
    assert_eq!(refusal(refused), Refusal::new(Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
}
