//! Clients of task-service. Each call is about a random task, and each response is checked.

use std::{ops::RangeInclusive, sync::Arc};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message;
use proto::task::v1 as pb;

use crate::{
    environment::{Population, Tokens, task_id},
    load::{Call, Client},
};

/// The percentage of calls of each kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) get: u8,
    pub(crate) list: u8,
    /// Lists with a random page size, which seldom hit the cache.
    pub(crate) list_unseen: u8,
    pub(crate) create: u8,
    pub(crate) update: u8,
}

impl Mix {
    const NONE: Self = Self { get: 0, list: 0, list_unseen: 0, create: 0, update: 0 };
    pub(crate) const GET: Self = Self { get: 100, ..Self::NONE };
    pub(crate) const LIST: Self = Self { list: 100, ..Self::NONE };
    pub(crate) const LIST_UNSEEN: Self = Self { list_unseen: 100, ..Self::NONE };
    pub(crate) const CREATE: Self = Self { create: 100, ..Self::NONE };
    pub(crate) const UPDATE: Self = Self { update: 100, ..Self::NONE };
    pub(crate) const MIXED: Self = Self { get: 70, list: 20, create: 7, update: 3, ..Self::NONE };

    /// The kind of the next call.
    pub(crate) fn any(self) -> Kind {
        let mut dice = fastrand::u8(..100);
        for (share, kind) in [
            (self.get, Kind::Get),
            (self.list, Kind::List),
            (self.list_unseen, Kind::ListUnseen),
            (self.create, Kind::Create),
        ] {
            if dice < share {
                return kind;
            }
            dice -= share;
        }
        Kind::Update
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Get,
    List,
    ListUnseen,
    Create,
    Update,
}

/// The default page size.
pub(crate) const PAGE: usize = 50;

/// Page sizes with the same mean. The cached page of an owner seldom has the requested one.
const UNSEEN_PAGES: RangeInclusive<i32> = 26..=75;

/// Calls about tasks of a population.
#[derive(Clone)]
pub(crate) struct TaskCalls {
    pub(crate) mix: Mix,
    pub(crate) population: Population,
    pub(crate) tokens: Arc<Tokens>,
}

/// A client of task-service, or of a service with the same API.
pub(super) struct TaskClient {
    calls: TaskCalls,
    /// The owner whose tasks only this client changes.
    own: u64,
    /// The owner's first page as last returned, for the etags.
    own_tasks: Vec<pb::Task>,
    count: usize,
    expected: Expected,
}

/// What the next response must be.
enum Expected {
    Task { id: String },
    Page { tasks: usize },
    Created,
    OwnTasks,
    Updated { index: usize },
}

impl TaskClient {
    /// The client with this number, which decides whose tasks it changes.
    pub(super) fn new(calls: TaskCalls, number: usize) -> Self {
        let own = calls.population.owner(number);
        Self { calls, own, own_tasks: Vec::new(), count: 0, expected: Expected::Created }
    }

    fn call(&self, path: &'static str, owner: u64, request: &impl Message) -> Call {
        Call::grpc(path, Some(self.calls.tokens.of(owner)), request)
    }
}

const GET: &str = "/tandem.task.v1.TaskService/GetTask";
pub(super) const LIST: &str = "/tandem.task.v1.TaskService/ListTasks";
const CREATE: &str = "/tandem.task.v1.TaskService/CreateTask";
const UPDATE: &str = "/tandem.task.v1.TaskService/UpdateTask";

impl Client for TaskClient {
    fn next(&mut self) -> Call {
        self.count += 1;
        let TaskCalls { mix, population, .. } = self.calls;
        let owner = population.any_owner();
        match mix.any() {
            Kind::Get => {
                let id = task_id(population.any_task(owner)).to_string();
                let request = pb::GetTaskRequest { task_id: id.clone() };
                self.expected = Expected::Task { id };
                self.call(GET, owner, &request)
            }
            Kind::List => {
                self.expected = Expected::Page { tasks: PAGE };
                self.call(LIST, owner, &pb::ListTasksRequest::default())
            }
            Kind::ListUnseen => {
                let page_size = fastrand::i32(UNSEEN_PAGES);
                self.expected = Expected::Page { tasks: page_size.unsigned_abs() as usize };
                self.call(LIST, owner, &pb::ListTasksRequest { page_size, ..Default::default() })
            }
            Kind::Create => {
                self.expected = Expected::Created;
                self.call(CREATE, owner, &new_task(self.count))
            }
            Kind::Update if self.own_tasks.is_empty() => {
                self.expected = Expected::OwnTasks;
                self.call(LIST, self.own, &pb::ListTasksRequest::default())
            }
            Kind::Update => {
                let index = self.count % self.own_tasks.len();
                self.expected = Expected::Updated { index };
                self.call(UPDATE, self.own, &change(&self.own_tasks[index], self.count))
            }
        }
    }

    fn check(&mut self, response: Bytes) -> anyhow::Result<()> {
        match &self.expected {
            Expected::Task { id } => {
                let task = pb::GetTaskResponse::decode(response)?.task.context("no task")?;
                ensure!(task.id == *id, "the response is another task");
            }
            Expected::Page { tasks: expected } => {
                // Tasks are counted and not decoded: the clients share their cores with the
                // services, and should take little of them.
                let tasks = pb::encoded::ListTasksResponse::decode(response)?.tasks.len();
                ensure!(tasks == *expected, "the page has {tasks} tasks and not {expected}");
            }
            Expected::Created => {
                let task = pb::CreateTaskResponse::decode(response)?.task;
                ensure!(!task.context("no task")?.id.is_empty(), "the task has no id");
            }
            Expected::OwnTasks => {
                self.own_tasks = pb::ListTasksResponse::decode(response)?.tasks;
                ensure!(!self.own_tasks.is_empty(), "the owner has no tasks to change");
            }
            Expected::Updated { index } => {
                let task = pb::UpdateTaskResponse::decode(response)?.task;
                self.own_tasks[*index] = task.context("no task")?;
            }
        }
        Ok(())
    }

    /// A failed update may have been applied, and then its etag is stale.
    fn forget(&mut self) {
        self.own_tasks.clear();
    }
}

fn new_task(number: usize) -> pb::CreateTaskRequest {
    let task = pb::Task {
        title: new_title(number),
        description: new_description().to_owned(),
        labels: vec!["garden".to_owned()],
        ..Default::default()
    };
    pb::CreateTaskRequest { task: Some(task), ..Default::default() }
}

/// An update of two fields, with an etag.
fn change(task: &pb::Task, number: usize) -> pb::UpdateTaskRequest {
    let changed = pb::Task {
        id: task.id.clone(),
        title: changed_title(number),
        is_complete: !task.is_complete,
        etag: task.etag.clone(),
        ..Default::default()
    };
    let paths = vec!["title".to_owned(), "is_complete".to_owned()];
    pb::UpdateTaskRequest {
        task: Some(changed),
        update_mask: Some(prost_types::FieldMask { paths }),
        validate_only: false,
    }
}

/// The title of a new task.
pub(crate) fn new_title(number: usize) -> String {
    format!("Repot the plants on the balcony, no. {number}")
}

/// The title of a changed task.
pub(crate) fn changed_title(number: usize) -> String {
    format!("Water the plants on the terrace, no. {number}")
}

/// The description of a new task.
pub(crate) fn new_description() -> &'static str {
    "The ones that have outgrown their pots want one size more, fresh soil and a week in the \
     shade; water them the day before."
}
