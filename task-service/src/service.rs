//! The RPCs of `tandem.task.v1.TaskService`, one function each.

use chrono::TimeDelta;
use proto::task::v1::{self as pb, task_service_server::TaskService};
use shared::{
    auth::Caller,
    error::{Error, RpcResult},
    page::{self, PageTokenKey},
    time,
};
use sqlx::PgPool;
use tokio::sync::OnceCell;
use tonic::{Request, Response};

use crate::{
    config::TaskConfig,
    domain::task::{self, Deletion, Task},
    store::{page_token_keys, tasks},
};

mod convert;
mod create;

/// The state behind the service.
pub(crate) struct Tasks {
    db: PgPool,
    page_token_key: OnceCell<PageTokenKey>,
    /// How many tasks a user may have.
    quota: u32,
    /// For how long a deleted task can be undeleted.
    retention: TimeDelta,
}

impl Tasks {
    pub(crate) fn new(db: PgPool, config: &TaskConfig) -> Self {
        let retention = TimeDelta::from_std(config.deleted_retention).expect("it is bounded");
        Self { db, page_token_key: OnceCell::new(), quota: config.quota, retention }
    }

    async fn page_token_key(&self) -> Result<&PageTokenKey, Error> {
        let load = async || {
            let mut candidate = [0; 32];
            aws_lc_rs::rand::fill(&mut candidate).expect("the system has randomness");
            page_token_keys::find_or_insert(&self.db, &candidate).await
        };
        self.page_token_key.get_or_try_init(load).await
    }

    /// What becomes of a task that is deleted now.
    fn deletion(&self) -> Deletion {
        let delete_time = time::now();
        Deletion { delete_time, purge_time: delete_time + self.retention }
    }
}

/// All that a batch brought, or what is wrong with the first item where something is. `field` is
/// the items' path in the request.
fn all<T>(outcomes: Vec<Result<T, Error>>, field: &str) -> Result<Vec<T>, Error> {
    let named = |(i, outcome): (usize, Result<T, Error>)| {
        outcome.map_err(|error| Error::InBatch {
            field: format!("{field}[{i}]"),
            error: Box::new(error),
        })
    };
    outcomes.into_iter().enumerate().map(named).collect()
}

/// What a call about one task brought.
fn one<T>(outcomes: Vec<Result<T, Error>>) -> Result<T, Error> {
    outcomes.into_iter().next().expect("each item has an outcome")
}

fn to_pb(tasks: Vec<Task>) -> Vec<pb::Task> {
    tasks.into_iter().map(Into::into).collect()
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn create_task(
        &self,
        request: Request<pb::CreateTaskRequest>,
    ) -> RpcResult<pb::CreateTaskResponse> {
        let caller = Caller::of(&request)?;
        let create = convert::create(request.into_inner())?;
        let task = self.create(caller.id, create).await?.pop();
        Ok(Response::new(pb::CreateTaskResponse { task }))
    }

    async fn get_task(
        &self,
        request: Request<pb::GetTaskRequest>,
    ) -> RpcResult<pb::GetTaskResponse> {
        let caller = Caller::of(&request)?;
        let id = convert::task_id(&request.get_ref().task_id)?;
        let task = one(tasks::get(&self.db, caller.id, &[id]).await?)?;
        Ok(Response::new(pb::GetTaskResponse { task: Some(task.into()) }))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> RpcResult<pb::ListTasksResponse> {
        let caller = Caller::of(&request)?;
        let mut req = request.into_inner();
        let token = std::mem::take(&mut req.page_token);
        let (size, list) = convert::list(req)?;
        let key = self.page_token_key().await?;
        let name = list.name();
        let cursor = key.open(caller.id, &name, &token)?;
        let found =
            tasks::list(&self.db, caller.id, &list, cursor.as_ref(), size.get() + 1).await?;
        let (tasks, has_more) = page::cut(found, size, Task::bytes);
        let end = tasks.last().filter(|_| has_more).map(|task| list.order.cursor(task));
        let next = end.map(|cursor| key.seal(caller.id, &name, &cursor));
        let (tasks, next_page_token) = (to_pb(tasks), next.unwrap_or_default());
        Ok(Response::new(pb::ListTasksResponse { tasks, next_page_token }))
    }

    async fn update_task(
        &self,
        request: Request<pb::UpdateTaskRequest>,
    ) -> RpcResult<pb::UpdateTaskResponse> {
        let caller = Caller::of(&request)?;
        let validate_only = request.get_ref().validate_only;
        let update = convert::update(request.into_inner())?;
        let now = time::now();
        let outcomes = tasks::update(&self.db, caller.id, &[update], validate_only, now).await?;
        Ok(Response::new(pb::UpdateTaskResponse { task: Some(one(outcomes)?.into()) }))
    }

    async fn delete_task(
        &self,
        request: Request<pb::DeleteTaskRequest>,
    ) -> RpcResult<pb::DeleteTaskResponse> {
        let caller = Caller::of(&request)?;
        let target = convert::target(request.get_ref())?;
        let outcomes = tasks::delete(&self.db, caller.id, &[target], self.deletion()).await?;
        Ok(Response::new(pb::DeleteTaskResponse { task: Some(one(outcomes)?.into()) }))
    }

    async fn undelete_task(
        &self,
        request: Request<pb::UndeleteTaskRequest>,
    ) -> RpcResult<pb::UndeleteTaskResponse> {
        let caller = Caller::of(&request)?;
        let id = convert::task_id(&request.get_ref().task_id)?;
        let task = tasks::undelete(&self.db, caller.id, id, self.quota, time::now()).await?;
        Ok(Response::new(pb::UndeleteTaskResponse { task: Some(task.into()) }))
    }

    async fn batch_get_tasks(
        &self,
        request: Request<pb::BatchGetTasksRequest>,
    ) -> RpcResult<pb::BatchGetTasksResponse> {
        let caller = Caller::of(&request)?;
        let ids = convert::task_ids(&request.get_ref().task_ids)?;
        let tasks = all(tasks::get(&self.db, caller.id, &ids).await?, "task_ids")?;
        if !task::fit_one_answer(tasks.iter().map(Task::bytes)) {
            return Err(Error::MessageTooLarge.into());
        }
        Ok(Response::new(pb::BatchGetTasksResponse { tasks: to_pb(tasks) }))
    }

    async fn batch_create_tasks(
        &self,
        request: Request<pb::BatchCreateTasksRequest>,
    ) -> RpcResult<pb::BatchCreateTasksResponse> {
        let caller = Caller::of(&request)?;
        let create = convert::create_batch(request.into_inner())?;
        let tasks = self.create(caller.id, create).await?;
        Ok(Response::new(pb::BatchCreateTasksResponse { tasks }))
    }

    async fn batch_update_tasks(
        &self,
        request: Request<pb::BatchUpdateTasksRequest>,
    ) -> RpcResult<pb::BatchUpdateTasksResponse> {
        let caller = Caller::of(&request)?;
        let validate_only = request.get_ref().validate_only;
        let updates = convert::update_batch(request.into_inner())?;
        let now = time::now();
        let outcomes = tasks::update(&self.db, caller.id, &updates, validate_only, now).await?;
        let tasks = to_pb(all(outcomes, "requests")?);
        Ok(Response::new(pb::BatchUpdateTasksResponse { tasks }))
    }

    async fn batch_delete_tasks(
        &self,
        request: Request<pb::BatchDeleteTasksRequest>,
    ) -> RpcResult<pb::BatchDeleteTasksResponse> {
        let caller = Caller::of(&request)?;
        let targets = convert::delete_batch(request.get_ref())?;
        let outcomes = tasks::delete(&self.db, caller.id, &targets, self.deletion()).await?;
        let tasks = to_pb(all(outcomes, "requests")?);
        Ok(Response::new(pb::BatchDeleteTasksResponse { tasks }))
    }
}
