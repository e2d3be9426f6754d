//! Converts between messages and domain types.

use std::collections::HashSet;

use proto::task::v1 as pb;
use shared::{
    error::{FieldViolations, Invalid},
    etag::Etag,
    ids,
};

use crate::domain::{
    creation::{NewTask, RequestKey},
    task::{Target, TaskId, TaskPatch},
};

mod list;
mod task;
mod update;

pub(super) use list::list;
pub(super) use update::update;

/// The most items in a batch.
const MAX_BATCH: usize = 100;

/// A parsed CreateTaskRequest or BatchCreateTasksRequest.
pub(super) struct CreateRequest {
    pub(super) tasks: Vec<NewTask>,
    pub(super) request: Option<RequestKey>,
    pub(super) validate_only: bool,
}

pub(super) fn task_id(text: &str) -> Result<TaskId, FieldViolations> {
    let mut bad = FieldViolations::new();
    bad.check("task_id", TaskId::parse(text)).ok_or(bad)
}

pub(super) fn task_ids(texts: &[String]) -> Result<Vec<TaskId>, FieldViolations> {
    let mut bad = FieldViolations::new();
    bad.check("task_ids", check_batch(texts.len()));
    let mut ids = Vec::new();
    for (i, text) in texts.iter().take(MAX_BATCH).enumerate() {
        ids.extend(bad.check(&format!("task_ids[{i}]"), TaskId::parse(text)));
    }
    bad.or(Some(ids))
}

pub(super) fn create(request: pb::CreateTaskRequest) -> Result<CreateRequest, FieldViolations> {
    let mut bad = FieldViolations::new();
    let validate_only = request.validate_only;
    let id = bad.check("request_id", ids::parse_request_id(&request.request_id));
    let parse = |task| task::parse_new(task, false);
    let task = required("task", request.task, parse, &mut bad);
    let (id, tasks) = bad.or(id.zip(task.map(|task| vec![task])))?;
    let request = id.map(|id| task::request_key("CreateTask", id, &tasks));
    Ok(CreateRequest { tasks, request, validate_only })
}

pub(super) fn create_batch(
    request: pb::BatchCreateTasksRequest,
) -> Result<CreateRequest, FieldViolations> {
    let mut bad = FieldViolations::new();
    let (validate_only, keep_times) = (request.validate_only, request.keep_times);
    let id = bad.check("request_id", ids::parse_request_id(&request.request_id));
    let parse = |item: pb::CreateTaskRequest| {
        let mut bad = FieldViolations::new();
        bad.check("request_id", must_be_empty(item.request_id.is_empty()));
        bad.check("validate_only", must_be_empty(!item.validate_only));
        let parse = |task| task::parse_new(task, keep_times);
        let task = required("task", item.task, parse, &mut bad);
        bad.or(task)
    };
    let tasks = batch(request.requests, parse, &mut bad);
    let (id, tasks) = bad.or(id.zip(Some(tasks)))?;
    let request = id.map(|id| task::request_key("BatchCreateTasks", id, &tasks));
    Ok(CreateRequest { tasks, request, validate_only })
}

pub(super) fn update_batch(
    request: pb::BatchUpdateTasksRequest,
) -> Result<Vec<(Target, TaskPatch)>, FieldViolations> {
    let mut bad = FieldViolations::new();
    let ids = request.requests.iter().map(|item| item.task.as_ref().map_or("", |task| &task.id));
    check_distinct(ids, "task.id", &mut bad);
    let parse = |item: pb::UpdateTaskRequest| {
        let only_batch = must_be_empty(!item.validate_only);
        let parsed = update(item);
        match only_batch {
            Ok(()) => parsed,
            Err(rule) => {
                let mut bad = parsed.err().unwrap_or_default();
                bad.check::<()>("validate_only", Err(rule));
                Err(bad)
            }
        }
    };
    let updates = batch(request.requests, parse, &mut bad);
    bad.or(Some(updates))
}

pub(super) fn target(request: &pb::DeleteTaskRequest) -> Result<Target, FieldViolations> {
    let mut bad = FieldViolations::new();
    let id = bad.check("task_id", TaskId::parse(&request.task_id));
    let etag = bad.check("etag", Etag::parse(&request.etag));
    bad.or(id.zip(etag).map(|(id, etag)| Target { id, etag }))
}

pub(super) fn delete_batch(
    request: &pb::BatchDeleteTasksRequest,
) -> Result<Vec<Target>, FieldViolations> {
    let mut bad = FieldViolations::new();
    let ids = request.requests.iter().map(|item| item.task_id.as_str());
    check_distinct(ids, "task_id", &mut bad);
    let targets = batch(request.requests.iter().collect(), target, &mut bad);
    bad.or(Some(targets))
}

/// Parses a required message.
fn required<M, T>(
    field: &str,
    message: Option<M>,
    parse: impl FnOnce(M) -> Result<T, FieldViolations>,
    bad: &mut FieldViolations,
) -> Option<T> {
    let message = bad.check(field, message.ok_or_else(|| "must be set".into()))?;
    bad.check_message(field, parse(message))
}

/// Parses the items of a batch.
fn batch<M, T>(
    items: Vec<M>,
    parse: impl Fn(M) -> Result<T, FieldViolations>,
    bad: &mut FieldViolations,
) -> Vec<T> {
    bad.check("requests", check_batch(items.len()));
    let mut parsed = Vec::with_capacity(items.len().min(MAX_BATCH));
    for (i, item) in items.into_iter().take(MAX_BATCH).enumerate() {
        parsed.extend(bad.check_message(&format!("requests[{i}]"), parse(item)));
    }
    parsed
}

fn check_batch(len: usize) -> Result<(), Invalid> {
    (1..=MAX_BATCH).contains(&len).then_some(()).ok_or_else(|| "must have 1 to 100 items".into())
}

/// Rejects an id that occurs twice: the order of the two changes would be undefined.
fn check_distinct<'a>(ids: impl Iterator<Item = &'a str>, field: &str, bad: &mut FieldViolations) {
    let mut seen = HashSet::new();
    for (i, id) in ids.take(MAX_BATCH).enumerate() {
        if !id.is_empty() && !seen.insert(id) {
            let field = format!("requests[{i}].{field}");
            bad.check::<()>(&field, Err("must differ from the ids of the items before".into()));
        }
    }
}

/// For a field that only the batch as a whole can have.
fn must_be_empty(is_empty: bool) -> Result<(), Invalid> {
    is_empty.then_some(()).ok_or_else(|| "must be empty in a batch; set it on the batch".into())
}
