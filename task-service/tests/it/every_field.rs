//! Every field of Task that a client can set, found in the descriptors of the protos. A field that
//! is added to the protos and forgotten elsewhere fails here.

use std::{collections::BTreeMap, slice, sync::LazyLock};

use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, Value};
use prost_types::FieldMask;
use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;
use uuid::Uuid;

use crate::support::{App, User};

const OUTPUT_ONLY: [&str; 7] =
    ["id", "etag", "create_time", "update_time", "complete_time", "delete_time", "purge_time"];
/// A task always has these, so that they cannot be cleared.
const REQUIRED: [&str; 1] = ["title"];

/// The settable fields and the values that a message has for them.
type Values = BTreeMap<String, Value>;

/// The settable fields. Messages are comparable only within one pool, so all tests share it.
static SETTABLE: LazyLock<Vec<FieldDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(pb::FILE_DESCRIPTOR_SET).expect("it is a descriptor set");
    let task = pool.get_message_by_name("tandem.task.v1.Task").expect("Task is in the protos");
    task.fields().filter(|field| !OUTPUT_ONLY.contains(&field.name())).collect()
});

/// The `n`th valid value, from 1, that differs from the field's default.
fn sample(field: &FieldDescriptor, n: i32) -> Value {
    let value = match field.kind() {
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(format!("text {n}")),
        Kind::Int32 => Value::I32(n),
        Kind::Int64 if field.full_name() == "google.protobuf.Timestamp.seconds" => {
            Value::I64(n.into())
        }
        Kind::Enum(kind) => {
            let last = kind.values().last().expect("an enum has values").number();
            Value::EnumNumber(last + 1 - n)
        }
        Kind::Message(kind) => {
            let mut message = DynamicMessage::new(kind.clone());
            let is_first = |field: &FieldDescriptor| match field.containing_oneof() {
                Some(oneof) => oneof.fields().next().as_ref() == Some(field),
                None => field.full_name() != "google.protobuf.Timestamp.nanos",
            };
            kind.fields().filter(is_first).for_each(|field| {
                message.set_field(&field, sample(&field, n));
            });
            Value::Message(message)
        }
        kind => panic!("{}: there is no sample of a {kind:?}", field.full_name()),
    };
    if field.is_list() { Value::List(vec![value]) } else { value }
}

/// A task with the `n`th sample in each of these fields, and what a task requires.
fn task_with(fields: &[FieldDescriptor], n: i32) -> pb::Task {
    let mut task = DynamicMessage::new(SETTABLE[0].parent_message().clone());
    for field in SETTABLE.iter().filter(|field| REQUIRED.contains(&field.name())) {
        task.set_field(field, sample(field, 1));
    }
    for field in fields {
        task.set_field(field, sample(field, n));
    }
    task.transcode_to().expect("it is a Task")
}

fn values(task: &pb::Task) -> Values {
    let mut message = DynamicMessage::new(SETTABLE[0].parent_message().clone());
    message.transcode_from(task).expect("it is a Task");
    let value = |field: &FieldDescriptor| message.get_field(field).into_owned();
    SETTABLE.iter().map(|field| (field.name().to_owned(), value(field))).collect()
}

fn create_request(task: &pb::Task) -> pb::CreateTaskRequest {
    pb::CreateTaskRequest { task: Some(task.clone()), ..Default::default() }
}

async fn create(user: &User, task: &pb::Task) -> pb::Task {
    let answer = user.try_create(task.clone()).await.expect("the task is created");
    answer.into_inner().task.expect("the task is returned")
}

async fn create_batch(user: &User, task: &pb::Task, validate_only: bool) -> pb::Task {
    let requests = vec![create_request(task)];
    let batch = pb::BatchCreateTasksRequest { requests, validate_only, ..Default::default() };
    let answer = user.client.clone().batch_create_tasks(batch).await;
    answer.expect("the task is created").into_inner().tasks.remove(0)
}

async fn update_batch(user: &User, body: pb::Task, mask: &[&str]) -> pb::Task {
    let paths = mask.iter().map(ToString::to_string).collect();
    let update_mask = Some(FieldMask { paths });
    let request = pb::UpdateTaskRequest { task: Some(body), update_mask, validate_only: false };
    let batch = pb::BatchUpdateTasksRequest { requests: vec![request], validate_only: false };
    let answer = user.client.clone().batch_update_tasks(batch).await;
    answer.expect("the task is updated").into_inner().tasks.remove(0)
}

/// The task as each call returns it, with the name of the call.
async fn by_each_call(user: &User, task: &pb::Task) -> Vec<(&'static str, pb::Task)> {
    let mut client = user.client.clone();
    let id = create(user, task).await.id;
    let created_by_batch = create_batch(user, task, false).await;
    let validated = create_batch(user, task, true).await;
    let get_batch = pb::BatchGetTasksRequest { task_ids: vec![id.clone()] };
    let got = client.batch_get_tasks(get_batch).await.expect("the task is found").into_inner();
    let newest = pb::ListTasksRequest { order_by: "create_time desc".into(), ..Default::default() };
    let listed = user.list(newest).await;
    let by_title = pb::ListTasksRequest { order_by: "title".into(), ..Default::default() };
    let sorted = user.list(by_title).await;
    let unchanged = pb::Task { id: id.clone(), ..Default::default() };
    let updated = user.update(unchanged.clone(), &[]).await;
    let updated_by_batch = update_batch(user, unchanged, &[]).await;
    let deleted = user.delete(&id).await;
    let undeleted = user.undelete(&id).await;
    let requests = vec![pb::DeleteTaskRequest { task_id: id.clone(), etag: String::new() }];
    let batch = pb::BatchDeleteTasksRequest { requests };
    let deleted_by_batch =
        client.batch_delete_tasks(batch).await.expect("the task is deleted").into_inner();
    let find = |tasks: Vec<pb::Task>| {
        tasks.into_iter().find(|task| task.id == id).expect("the task is returned")
    };
    vec![
        ("GetTask", user.get(&id).await),
        ("BatchCreateTasks", created_by_batch.clone()),
        ("GetTask after BatchCreateTasks", user.get(&created_by_batch.id).await),
        ("validate_only", validated),
        ("BatchGetTasks", find(got.tasks)),
        ("ListTasks, first page", find(listed)),
        ("ListTasks, by title", find(sorted)),
        ("UpdateTask", updated),
        ("BatchUpdateTasks", updated_by_batch),
        ("DeleteTask", deleted),
        ("UndeleteTask", undeleted),
        ("BatchDeleteTasks", find(deleted_by_batch.tasks)),
    ]
}

#[tokio::test]
async fn every_call_returns_every_field() {
    let app = App::start().await;
    for field in SETTABLE.iter() {
        let [alice] = app.users();
        let task = task_with(slice::from_ref(field), 1);
        for (call, returned) in by_each_call(&alice, &task).await {
            assert_eq!(values(&returned)[field.name()], sample(field, 1), "{call}");
        }
    }
}

#[tokio::test]
async fn every_field_is_part_of_the_request_that_an_id_identifies() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let reused = Refusal::new(Code::AlreadyExists, "REQUEST_ID_REUSED");
    for field in SETTABLE.iter() {
        let fields = slice::from_ref(field);
        let other = if REQUIRED.contains(&field.name()) { fields } else { &[] };
        let [first, second] = [task_with(fields, 1), task_with(other, 2)];
        let request_id = Uuid::now_v7().to_string();
        let request =
            |task| pb::CreateTaskRequest { request_id: request_id.clone(), ..create_request(task) };
        alice.client.create_task(request(&first)).await.expect("the task is created");
        alice.client.create_task(request(&first)).await.expect("a retry succeeds");
        let rejected = alice.client.create_task(request(&second)).await;
        assert_eq!(refusal(rejected), reused, "{}", field.name());
        let batch = |task| pb::BatchCreateTasksRequest {
            requests: vec![create_request(task)],
            request_id: request_id.clone(),
            ..Default::default()
        };
        alice.client.batch_create_tasks(batch(&first)).await.expect("the task is created");
        let rejected = alice.client.batch_create_tasks(batch(&second)).await;
        assert_eq!(refusal(rejected), reused, "{}", field.name());
    }
}

#[tokio::test]
async fn every_field_is_set_by_its_path_and_without_a_mask() {
    let app = App::start().await;
    let [alice] = app.users();
    let all = task_with(&SETTABLE, 2);
    for field in SETTABLE.iter() {
        let name = field.name();
        let small = create(&alice, &task_with(&[], 1)).await;
        let mut expected = values(&small);
        expected.insert(name.to_owned(), sample(field, 2));
        let body = pb::Task { id: small.id.clone(), ..all.clone() };
        assert_eq!(values(&alice.update(body.clone(), &[name]).await), expected, "{name}");
        assert_eq!(values(&alice.get(&small.id).await), expected, "{name}");

        let small = create(&alice, &task_with(&[], 1)).await;
        let body = pb::Task { id: small.id.clone(), ..all.clone() };
        assert_eq!(values(&update_batch(&alice, body, &[name]).await), expected, "{name}");

        let small = create(&alice, &task_with(&[], 1)).await;
        let body = task_with(slice::from_ref(field), 2);
        let body = pb::Task { id: small.id, ..body };
        assert_eq!(values(&alice.update(body, &[]).await), expected, "{name}, without a mask");
    }
}

#[tokio::test]
async fn every_field_is_cleared_by_its_path() {
    let app = App::start().await;
    let [alice] = app.users();
    let defaults = values(&create(&alice, &task_with(&[], 1)).await);
    for field in SETTABLE.iter() {
        let name = field.name();
        let full = create(&alice, &task_with(&SETTABLE, 1)).await;
        let body = pb::Task { id: full.id.clone(), ..Default::default() };
        let answer = alice.try_update(body, &[name]).await;
        if REQUIRED.contains(&name) {
            assert_eq!(refusal(answer), Refusal::invalid(&[&format!("task.{name}")]));
            continue;
        }
        let updated = answer.expect("the field is cleared").into_inner().task.unwrap();
        let mut expected = values(&full);
        expected.insert(name.to_owned(), defaults[name].clone());
        assert_ne!(expected, values(&full), "{name}");
        assert_eq!(values(&updated), expected, "{name}");
        assert_eq!(values(&alice.get(&full.id).await), expected, "{name}");
    }
}

#[tokio::test]
async fn a_mask_of_a_star_sets_and_clears_every_field() {
    let app = App::start().await;
    let [alice] = app.users();
    let small = create(&alice, &task_with(&[], 1)).await;
    let all = pb::Task { id: small.id.clone(), ..task_with(&SETTABLE, 2) };
    assert_eq!(values(&alice.update(all.clone(), &["*"]).await), values(&all));
    assert_eq!(values(&alice.get(&small.id).await), values(&all));
    let body = pb::Task { id: small.id.clone(), ..task_with(&[], 1) };
    assert_eq!(values(&alice.update(body, &["*"]).await), values(&small));
    assert_eq!(values(&alice.get(&small.id).await), values(&small));
}
