//! Random operations of several clients against the service and against a model in memory: every
//! answer is compared.

use std::collections::BTreeMap;

use proptest::{prelude::*, test_runner::TestRunner};
use prost_types::FieldMask;
use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::runtime;
use tonic::{Code, Status};

use crate::support::{ABSENT_ID, App, User, task_not_found};

/// How many tasks a user may have here.
const QUOTA: usize = 6;

/// An operation of a user. Tasks are identified by the order of their creation.
#[derive(Clone, Debug)]
enum Operation {
    Create { tasks: Vec<pb::Task>, request_id: Option<u8> },
    Update { items: Vec<(usize, pb::Task, Vec<&'static str>, Etag)> },
    Delete { items: Vec<(usize, Etag)> },
    Undelete { item: usize },
    Get { items: Vec<usize> },
    List { show_deleted: bool, is_complete: Option<bool>, label: Option<&'static str> },
}

/// Which etag is sent with a change.
#[derive(Clone, Copy, Debug)]
enum Etag {
    None,
    Current,
    Stale,
}

/// The tasks of a user, according to the model.
#[derive(Default)]
struct Model {
    /// In the order of their creation.
    tasks: Vec<pb::Task>,
    /// The previous etag of each task.
    old_etags: BTreeMap<String, String>,
    /// By request id: the tasks in the request and those in the answer.
    requests: BTreeMap<(bool, u8), (Vec<pb::Task>, Vec<pb::Task>)>,
}

impl Model {
    fn live(&self) -> usize {
        self.tasks.iter().filter(|task| task.delete_time.is_none()).count()
    }

    fn task(&self, item: usize) -> Option<&pb::Task> {
        let count = self.tasks.len();
        // Sometimes the item is a task that does not exist.
        (count > 0).then(|| self.tasks.get(item % (count + 1)))?
    }

    fn id(&self, item: usize) -> String {
        self.task(item).map_or(ABSENT_ID.into(), |task| task.id.clone())
    }

    fn etag(&self, item: usize, etag: Etag) -> String {
        let Some(task) = self.task(item) else { return String::new() };
        match etag {
            Etag::None => String::new(),
            Etag::Current => task.etag.clone(),
            Etag::Stale => self.old_etags.get(&task.id).cloned().unwrap_or("stale".into()),
        }
    }

    /// The error of a change to this task, if it fails.
    fn refuse(&self, item: usize, etag: &str, wants_deleted: bool) -> Option<Refusal> {
        let Some(task) = self.task(item) else { return Some(task_not_found()) };
        match (task.delete_time.is_some(), wants_deleted) {
            (true, false) => Some(Refusal::new(Code::FailedPrecondition, "TASK_DELETED")),
            (false, true) => Some(Refusal::new(Code::FailedPrecondition, "TASK_NOT_DELETED")),
            _ if !etag.is_empty() && etag != task.etag => {
                Some(Refusal::new(Code::Aborted, "ETAG_MISMATCH").with("etag", &task.etag))
            }
            _ => None,
        }
    }

    /// Stores the task of an answer, after it was compared.
    fn keep(&mut self, task: pb::Task) {
        let old = self.tasks.iter_mut().find(|old| old.id == task.id).expect("it is known");
        if old.etag != task.etag {
            self.old_etags.insert(task.id.clone(), old.etag.clone());
        }
        *old = task;
    }
}

/// The task without output-only fields.
fn settable(task: &pb::Task) -> pb::Task {
    pb::Task {
        id: String::new(),
        etag: String::new(),
        create_time: None,
        update_time: None,
        complete_time: None,
        delete_time: None,
        purge_time: None,
        ..task.clone()
    }
}

/// The task after an update with this mask.
fn updated(task: &pb::Task, body: &pb::Task, mask: &[&str]) -> pb::Task {
    let sets = |path, populated| match mask {
        [] => populated,
        mask => mask.contains(&"*") || mask.contains(&path),
    };
    let mut next = task.clone();
    if sets("title", true) {
        next.title.clone_from(&body.title);
    }
    if sets("is_complete", body.is_complete) {
        next.is_complete = body.is_complete;
    }
    if sets("priority", true) {
        next.priority = body.priority;
    }
    if sets("labels", !body.labels.is_empty()) {
        next.labels.clone_from(&body.labels);
    }
    if sets("due", body.due.is_some()) {
        next.due.clone_from(&body.due);
    }
    next
}

fn bodies() -> impl Strategy<Value = pb::Task> {
    let labels = prop::collection::btree_set(prop_oneof![Just("a"), Just("b")], 0..2);
    let due = prop::option::of(0_i64..3);
    let body = (prop_oneof![Just("x"), Just("y"), Just("z")], any::<bool>(), 1..5, labels, due);
    body.prop_map(|(title, is_complete, priority, labels, due)| pb::Task {
        title: title.into(),
        is_complete,
        priority,
        labels: labels.into_iter().map(str::to_owned).collect(),
        due: due.map(|seconds| {
            let time = Some(prost_types::Timestamp { seconds, nanos: 0 });
            let moment = pb::DueTime { time, time_zone: "UTC".into() };
            pb::Due { due: Some(pb::due::Due::Moment(moment)) }
        }),
        ..Default::default()
    })
}

fn operations() -> impl Strategy<Value = Vec<(usize, Operation)>> {
    let etag =
        || prop_oneof![3 => Just(Etag::None), 3 => Just(Etag::Current), 1 => Just(Etag::Stale)];
    let paths = &["title", "is_complete", "priority", "labels", "due"][..];
    let mask = prop_oneof![
        4 => prop::collection::vec(prop::sample::select(paths), 0..3),
        1 => Just(vec!["*"]),
    ];
    let update = (0..QUOTA, bodies(), mask, etag());
    let several = 1..4_usize;
    let operation = prop_oneof![
        (prop::collection::vec(bodies(), several.clone()), prop::option::of(0..3_u8))
            .prop_map(|(tasks, request_id)| Operation::Create { tasks, request_id }),
        prop::collection::vec(update, several.clone())
            .prop_map(|items| Operation::Update { items }),
        prop::collection::vec((0..QUOTA, etag()), several.clone())
            .prop_map(|items| Operation::Delete { items }),
        (0..QUOTA).prop_map(|item| Operation::Undelete { item }),
        prop::collection::vec(0..QUOTA, several).prop_map(|items| Operation::Get { items }),
        (any::<bool>(), prop::option::of(any::<bool>()), prop::option::of(Just("a"))).prop_map(
            |(show_deleted, is_complete, label)| Operation::List {
                show_deleted,
                is_complete,
                label
            }
        ),
    ];
    prop::collection::vec((0..2_usize, operation), 1..40)
}

/// Compares the answer of an atomic batch with the model's error for each item. A single item is
/// sent by the call for one task. Returns the tasks if the batch succeeds.
fn compare(
    answer: Result<Vec<pb::Task>, Status>,
    refusals: Vec<Option<Refusal>>,
    path: &str,
) -> Result<Option<Vec<pb::Task>>, TestCaseError> {
    let is_batch = refusals.len() > 1;
    let first = refusals.into_iter().enumerate().find_map(|(i, refusal)| Some((i, refusal?)));
    match first {
        Some((i, expected)) => {
            let field = format!("{path}[{i}]");
            let expected = if is_batch { expected.with("field", &field) } else { expected };
            prop_assert_eq!(refusal(answer), expected);
            Ok(None)
        }
        None => Ok(Some(answer.map_err(|status| TestCaseError::fail(format!("{status:?}")))?)),
    }
}

async fn send_create(
    user: &User,
    tasks: &[pb::Task],
    request_id: String,
) -> Result<Vec<pb::Task>, Status> {
    let of =
        |task: &pb::Task| pb::CreateTaskRequest { task: Some(task.clone()), ..Default::default() };
    let mut client = user.client.clone();
    if let [task] = tasks {
        let request = pb::CreateTaskRequest { request_id, ..of(task) };
        return Ok(client.create_task(request).await?.into_inner().task.into_iter().collect());
    }
    let requests = tasks.iter().map(of).collect();
    let request = pb::BatchCreateTasksRequest { requests, request_id, ..Default::default() };
    Ok(client.batch_create_tasks(request).await?.into_inner().tasks)
}

async fn create(
    user: &User,
    model: &mut Model,
    tasks: &[pb::Task],
    request_id: Option<u8>,
) -> Result<(), TestCaseError> {
    let id = request_id.map(|n| format!("00000000-0000-7000-8000-00000000000{n}"));
    let answer = send_create(user, tasks, id.unwrap_or_default()).await;
    let key = request_id.map(|n| (tasks.len() > 1, n));
    if let Some((asked, answered)) = key.and_then(|key| model.requests.get(&key)) {
        if asked == tasks {
            prop_assert_eq!(&answer.expect("it was done before"), answered);
        } else {
            let reused = Refusal::new(Code::AlreadyExists, "REQUEST_ID_REUSED");
            prop_assert_eq!(refusal(answer), reused);
        }
        return Ok(());
    }
    if model.live() + tasks.len() > QUOTA {
        let exceeded = Refusal::new(Code::ResourceExhausted, "TASK_QUOTA_EXCEEDED");
        prop_assert_eq!(refusal(answer), exceeded);
        return Ok(());
    }
    let created = answer.map_err(|status| TestCaseError::fail(format!("{status:?}")))?;
    prop_assert_eq!(created.iter().map(settable).collect::<Vec<_>>(), tasks);
    if let Some(key) = key {
        model.requests.insert(key, (tasks.to_vec(), created.clone()));
    }
    model.tasks.extend(created);
    Ok(())
}

async fn update(
    user: &User,
    model: &mut Model,
    items: Vec<(usize, pb::Task, Vec<&'static str>, Etag)>,
) -> Result<(), TestCaseError> {
    let items = distinct(model, items, |item| item.0);
    let requests: Vec<_> = items
        .iter()
        .map(|(item, body, mask, etag)| pb::UpdateTaskRequest {
            task: Some(pb::Task {
                id: model.id(*item),
                etag: model.etag(*item, *etag),
                ..body.clone()
            }),
            update_mask: Some(FieldMask { paths: mask.iter().map(ToString::to_string).collect() }),
            validate_only: false,
        })
        .collect();
    let refusals = items
        .iter()
        .map(|(item, _, _, etag)| model.refuse(*item, &model.etag(*item, *etag), false));
    let refusals = refusals.collect();
    let mut client = user.client.clone();
    let answer = match &requests[..] {
        [request] => client
            .update_task(request.clone())
            .await
            .map(|answer| answer.into_inner().task.into_iter().collect()),
        _ => {
            let request = pb::BatchUpdateTasksRequest { requests, validate_only: false };
            client.batch_update_tasks(request).await.map(|answer| answer.into_inner().tasks)
        }
    };
    let Some(tasks) = compare(answer, refusals, "requests")? else { return Ok(()) };
    for ((item, body, mask, _), task) in items.iter().zip(tasks) {
        let old = model.task(*item).expect("it was not refused");
        let next = updated(old, body, mask);
        let changed = settable(&next) != settable(old);
        prop_assert_eq!(settable(&task), settable(&next));
        prop_assert_eq!(task.etag != old.etag, changed);
        prop_assert_eq!(task.update_time != old.update_time, changed);
        prop_assert_eq!(task.create_time, old.create_time);
        prop_assert_eq!(task.complete_time.is_some(), task.is_complete);
        model.keep(task);
    }
    Ok(())
}

async fn delete(
    user: &User,
    model: &mut Model,
    items: Vec<(usize, Etag)>,
) -> Result<(), TestCaseError> {
    let items = distinct(model, items, |item| item.0);
    let request = |&(item, etag): &(usize, Etag)| pb::DeleteTaskRequest {
        task_id: model.id(item),
        etag: model.etag(item, etag),
    };
    let requests: Vec<_> = items.iter().map(request).collect();
    let refusals =
        items.iter().map(|&(item, etag)| model.refuse(item, &model.etag(item, etag), false));
    let refusals = refusals.collect();
    let mut client = user.client.clone();
    let answer = match &requests[..] {
        [request] => client
            .delete_task(request.clone())
            .await
            .map(|answer| answer.into_inner().task.into_iter().collect()),
        _ => {
            let request = pb::BatchDeleteTasksRequest { requests };
            client.batch_delete_tasks(request).await.map(|answer| answer.into_inner().tasks)
        }
    };
    let Some(tasks) = compare(answer, refusals, "requests")? else { return Ok(()) };
    for ((item, _), task) in items.iter().zip(tasks) {
        let old = model.task(*item).expect("it was not refused");
        prop_assert_eq!(settable(&task), settable(old));
        prop_assert!(task.delete_time.is_some() && task.etag != old.etag);
        model.keep(task);
    }
    Ok(())
}

/// Without duplicates: a batch can contain a task once.
fn distinct<T>(model: &Model, items: Vec<T>, item: impl Fn(&T) -> usize) -> Vec<T> {
    let mut seen = std::collections::HashSet::new();
    items.into_iter().filter(|one| seen.insert(model.id(item(one)))).collect()
}

async fn apply(user: &User, model: &mut Model, operation: Operation) -> Result<(), TestCaseError> {
    match operation {
        Operation::Create { tasks, request_id } => {
            create(user, model, &tasks, request_id).await?;
        }
        Operation::Update { items } => update(user, model, items).await?,
        Operation::Delete { items } => delete(user, model, items).await?,
        Operation::Undelete { item } => {
            let answer = user.try_undelete(&model.id(item)).await;
            let refused = model.refuse(item, "", true).or_else(|| {
                let exceeded = || Refusal::new(Code::ResourceExhausted, "TASK_QUOTA_EXCEEDED");
                (model.live() >= QUOTA).then(exceeded)
            });
            match refused {
                Some(expected) => prop_assert_eq!(refusal(answer), expected),
                None => {
                    let task = answer.expect("it is back").into_inner().task.expect("it is there");
                    prop_assert_eq!(task.delete_time, None);
                    prop_assert_eq!(settable(&task), settable(model.task(item).expect("it is")));
                    model.keep(task);
                }
            }
        }
        Operation::Get { items } => {
            let task_ids = items.iter().map(|item| model.id(*item)).collect();
            let request = pb::BatchGetTasksRequest { task_ids };
            let answer = user.client.clone().batch_get_tasks(request).await;
            let absent = |item: &usize| model.task(*item).is_none().then(task_not_found);
            let mut refusals: Vec<_> = items.iter().map(absent).collect();
            // A BatchGetTasks is a batch even with one item.
            refusals.push(None);
            let answer = answer.map(|answer| answer.into_inner().tasks);
            if let Some(tasks) = compare(answer, refusals, "task_ids")? {
                let expected = items.iter().filter_map(|item| model.task(*item).cloned());
                prop_assert_eq!(tasks, expected.collect::<Vec<_>>());
            }
        }
        Operation::List { show_deleted, is_complete, label } => {
            let labels = label.into_iter().map(str::to_owned).collect();
            let filter = Some(pb::TaskFilter { is_complete, labels, ..Default::default() });
            let list = pb::ListTasksRequest { filter, show_deleted, ..Default::default() };
            let listed = user.walk(&list, 3).await.concat();
            let fits = |task: &&pb::Task| {
                (show_deleted || task.delete_time.is_none())
                    && is_complete.is_none_or(|is_complete| task.is_complete == is_complete)
                    && label.is_none_or(|label| task.labels.contains(&label.to_owned()))
            };
            let time = |task: &pb::Task| task.create_time.map(|time| (time.seconds, time.nanos));
            let mut expected: Vec<_> = model.tasks.iter().filter(fits).cloned().collect();
            expected.sort_by(|one, other| (time(other), &other.id).cmp(&(time(one), &one.id)));
            prop_assert_eq!(listed, expected);
        }
    }
    Ok(())
}

#[test]
fn every_answer_matches_the_model() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(App::start_with(&["--tasks-per-user", &QUOTA.to_string()]));
    let config = ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() };
    let check = |operations: Vec<(usize, Operation)>| {
        runtime.block_on(async {
            let users: [User; 2] = app.users();
            let mut models = [Model::default(), Model::default()];
            for (user, operation) in operations {
                apply(&users[user], &mut models[user], operation).await?;
            }
            for (user, model) in users.iter().zip(&models) {
                let count = user.count(&app.database).await;
                prop_assert_eq!(usize::try_from(count).unwrap(), model.live());
            }
            Ok(())
        })
    };
    TestRunner::new(config).run(&operations(), check).unwrap_or_else(|failure| panic!("{failure}"));
}
