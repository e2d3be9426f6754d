//! What callers ask for. A workload is a mix of calls about the tasks of a population; a [`Caller`]
//! makes one call after the other and checks each answer: a benchmark of errors is worth nothing.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::{Buf as _, Bytes};
use http::HeaderValue;
use prost::Message;
use proto::task::v1 as pb;

use crate::{
    environment::{Owners, Population, Tokens, task_id},
    load::{Call, Caller, framed},
};

/// A mix of calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Of a hundred calls.
    mix: Mix,
    pub(crate) owners: Owners,
}

/// How many of a hundred calls are of each kind.
#[derive(Clone, Copy, Debug, Default)]
struct Mix {
    get: u8,
    list: u8,
    create: u8,
    update: u8,
}

const NONE: Mix = Mix { get: 0, list: 0, create: 0, update: 0 };
const GET: Mix = Mix { get: 100, ..NONE };
const LIST: Mix = Mix { list: 100, ..NONE };
const CREATE: Mix = Mix { create: 100, ..NONE };
const UPDATE: Mix = Mix { update: 100, ..NONE };
const MIXED: Mix = Mix { get: 70, list: 20, create: 7, update: 3 };

/// Every workload. Reads come first: they shall find the tables as they were made.
pub(crate) const WORKLOADS: [Workload; 9] = [
    Workload { name: "get", mix: GET, owners: Owners::Large },
    Workload { name: "get-10", mix: GET, owners: Owners::Few },
    Workload { name: "get-100k", mix: GET, owners: Owners::Small },
    Workload { name: "list", mix: LIST, owners: Owners::Large },
    Workload { name: "mixed", mix: MIXED, owners: Owners::Large },
    Workload { name: "update", mix: UPDATE, owners: Owners::Large },
    Workload { name: "create", mix: CREATE, owners: Owners::Large },
    Workload { name: "create-10", mix: CREATE, owners: Owners::Few },
    Workload { name: "create-100k", mix: CREATE, owners: Owners::Small },
];

const SERVICE: &str = "/tandem.task.v1.TaskService/";
/// How many tasks a page has, unless a caller asks for more or fewer.
const PAGE: usize = 50;

impl Workload {
    /// The script of pgbench for a workload that is of one kind.
    pub(crate) fn script(&self) -> Option<&'static str> {
        match self.mix {
            Mix { get: 100, .. } => Some(include_str!("../sql/get.sql")),
            Mix { list: 100, .. } => Some(include_str!("../sql/list.sql")),
            Mix { create: 100, .. } => Some(include_str!("../sql/create.sql")),
            Mix { update: 100, .. } => Some(include_str!("../sql/update.sql")),
            _ => None,
        }
    }

    /// One of those who call at once; `number` counts them.
    pub(crate) fn caller(
        &self,
        number: usize,
        population: Population,
        tokens: &Arc<Tokens>,
    ) -> TaskCaller {
        let own = population.first + number as u64 % population.count;
        TaskCaller {
            mix: self.mix,
            population,
            tokens: tokens.clone(),
            own,
            own_tasks: Vec::new(),
            count: 0,
            expected: Expected::Page,
        }
    }
}

/// Somebody who calls task-service.
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
    Page,
    Created,
    OwnTasks,
    Updated { index: usize },
}

impl Caller for TaskCaller {
    fn next(&mut self) -> Call {
        self.count += 1;
        let Mix { get, list, create, .. } = self.mix;
        let dice = fastrand::u8(..100);
        let owner = self.population.any_owner();
        if dice < get {
            let id = task_id(self.population.any_task(owner)).to_string();
            let request = pb::GetTaskRequest { task_id: id.clone() };
            self.expected = Expected::Task { id };
            self.call("GetTask", owner, &request)
        } else if dice < get + list {
            self.expected = Expected::Page;
            self.call("ListTasks", owner, &pb::ListTasksRequest::default())
        } else if dice < get + list + create {
            self.expected = Expected::Created;
            self.call("CreateTask", owner, &new_task(self.count))
        } else if self.own_tasks.is_empty() {
            self.expected = Expected::OwnTasks;
            self.call("ListTasks", self.own, &pb::ListTasksRequest::default())
        } else {
            let index = self.count % self.own_tasks.len();
            self.expected = Expected::Updated { index };
            self.call("UpdateTask", self.own, &change(&self.own_tasks[index], self.count))
        }
    }

    fn check(&mut self, mut answer: Bytes) -> anyhow::Result<()> {
        ensure!(answer.len() > 5, "there is no message");
        answer.advance(5);
        match &self.expected {
            Expected::Task { id } => {
                let task = pb::GetTaskResponse::decode(answer)?.task.context("there is no task")?;
                ensure!(task.id == *id, "it is another task");
            }
            Expected::Page => {
                let tasks = Page::decode(answer)?.tasks.len();
                ensure!(tasks == PAGE, "a page has {tasks} tasks");
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

impl TaskCaller {
    fn call(&self, method: &str, owner: u64, request: &impl Message) -> Call {
        let authorization: HeaderValue = self.tokens.of(owner);
        Call { path: format!("{SERVICE}{method}"), authorization, body: framed(request) }
    }
}

fn new_task(number: usize) -> pb::CreateTaskRequest {
    let task = pb::Task {
        title: format!("Repot the plants on the balcony, no. {number}"),
        description: "The ones that have outgrown their pots want one size more, fresh soil and a \
                      week in the shade; water them the day before."
            .to_owned(),
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

/// A `ListTasksResponse` whose tasks are counted and not decoded: on cores that are shared with the
/// services, what callers do with an answer is not what is measured.
#[derive(Clone, PartialEq, Message)]
struct Page {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    tasks: Vec<Bytes>,
}
