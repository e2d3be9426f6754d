//! Calls about tasks, each about another one. Every answer is checked.

use std::{ops::RangeInclusive, sync::Arc};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use prost::Message;
use proto::task::v1 as pb;

use crate::{
    environment::{Population, Tokens, task_id},
    load::{Call, Caller},
};

/// How many of a hundred calls are of each kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) get: u8,
    pub(crate) list: u8,
    /// Of a page that nobody has asked for before, or long ago.
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

    /// What the next call does.
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

/// What a call does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Get,
    List,
    ListUnseen,
    Create,
    Update,
}

/// How many tasks a page has, unless a caller asks for more or fewer.
pub(crate) const PAGE: usize = 50;

/// Sizes of pages, on average the same: the one that is remembered of an owner seldom has this one.
const UNSEEN_PAGES: RangeInclusive<i32> = 26..=75;

/// Somebody who calls task-service, or what takes its place.
pub(crate) struct TaskCaller {
    mix: Mix,
    population: Population,
    tokens: Arc<Tokens>,
    /// The owner whose tasks nobody else changes.
    own: u64,
    /// As they were last seen, so that their etags are known.
    own_tasks: Vec<pb::Task>,
    count: usize,
    expected: Expected,
}

/// What the next answer should be.
enum Expected {
    Task { id: String },
    Page { tasks: usize },
    Created,
    OwnTasks,
    Updated { index: usize },
}

impl TaskCaller {
    /// One of those who call at once; `number` counts them.
    pub(crate) fn new(
        mix: Mix,
        population: Population,
        tokens: Arc<Tokens>,
        number: usize,
    ) -> Self {
        let own = population.owner(number);
        let own_tasks = Vec::new();
        Self { mix, population, tokens, own, own_tasks, count: 0, expected: Expected::Created }
    }

    fn call(&self, path: &'static str, owner: u64, request: &impl Message) -> Call {
        Call::grpc(path, Some(self.tokens.of(owner)), request)
    }
}

const GET: &str = "/tandem.task.v1.TaskService/GetTask";
const LIST: &str = "/tandem.task.v1.TaskService/ListTasks";
const CREATE: &str = "/tandem.task.v1.TaskService/CreateTask";
const UPDATE: &str = "/tandem.task.v1.TaskService/UpdateTask";

impl Caller for TaskCaller {
    fn next(&mut self) -> Call {
        self.count += 1;
        let owner = self.population.any_owner();
        match self.mix.any() {
            Kind::Get => {
                let id = task_id(self.population.any_task(owner)).to_string();
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

    fn check(&mut self, answer: Bytes) -> anyhow::Result<()> {
        match &self.expected {
            Expected::Task { id } => {
                let task = pb::GetTaskResponse::decode(answer)?.task.context("there is no task")?;
                ensure!(task.id == *id, "it is another task");
            }
            Expected::Page { tasks: expected } => {
                // Counted and not decoded: on cores that are shared with the services, what callers
                // do with an answer is not what is measured.
                let tasks = pb::encoded::ListTasksResponse::decode(answer)?.tasks.len();
                ensure!(tasks == *expected, "a page has {tasks} tasks");
            }
            Expected::Created => {
                let task = pb::CreateTaskResponse::decode(answer)?.task;
                ensure!(!task.context("there is no task")?.id.is_empty(), "it has no id");
            }
            Expected::OwnTasks => {
                self.own_tasks = pb::ListTasksResponse::decode(answer)?.tasks;
                ensure!(!self.own_tasks.is_empty(), "there are no tasks to change");
            }
            Expected::Updated { index } => {
                let task = pb::UpdateTaskResponse::decode(answer)?.task;
                self.own_tasks[*index] = task.context("there is no task")?;
            }
        }
        Ok(())
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

/// A change of two fields, which is refused if somebody else was faster.
fn change(task: &pb::Task, number: usize) -> pb::UpdateTaskRequest {
    let changed = pb::Task {
        id: task.id.clone(),
        title: format!("Water the plants on the terrace, no. {number}"),
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

/// The title of a task that is created.
pub(crate) fn new_title(number: usize) -> String {
    format!("Repot the plants on the balcony, no. {number}")
}

/// Its description.
pub(crate) fn new_description() -> &'static str {
    "The ones that have outgrown their pots want one size more, fresh soil and a week in the \
     shade; water them the day before."
}
