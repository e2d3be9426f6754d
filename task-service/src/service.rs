//! The RPCs of `tandem.task.v1.TaskService`, one function each.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use proto::task::v1::{self as pb, encoded::task_service_server::TaskService};
use shared::{
    auth::Caller,
    error::{Error, RpcResult},
    page::PageTokenKey,
    time,
};
use sqlx::PgPool;
use tokio::sync::OnceCell;
use tonic::{Request, Response};

use crate::{
    config::Config,
    domain::task::{self, Task},
    lane::{Apart, Lane},
    store::{
        page_token_keys,
        tasks::{self, Delete, Update},
    },
};
use statements::{Change, Create, FirstPages, Get, Remove};

pub(crate) use pages::Pages;

mod convert;
mod create;
mod list;
mod pages;
mod statements;

/// How long after its time-out the database may take to say that a statement has ended.
const GRACE: Duration = Duration::from_secs(1);

/// The state behind the service, of one worker.
pub(crate) struct Tasks {
    db: PgPool,
    page_token_key: OnceCell<PageTokenKey>,
    /// How many tasks a user may have.
    quota: u32,
    gets: Lane<Get>,
    pages: Arc<Pages>,
    first_pages: Lane<FirstPages>,
    creates: Lane<Create>,
    updates: Lane<Change>,
    deletes: Lane<Remove>,
}

impl Tasks {
    /// With the worker's connections. `writers` and `pages` are shared by all workers.
    pub(crate) fn new(
        db: PgPool,
        writers: &Arc<Apart>,
        pages: &Arc<Pages>,
        config: &Config,
    ) -> Self {
        let patience = config.database.statement_timeout + GRACE;
        let config = &config.task;
        let quota = config.quota;
        let retention = TimeDelta::from_std(config.deleted_retention).expect("it is bounded");
        // They wait for nobody's locks.
        let readers = Arc::default();
        Self {
            page_token_key: OnceCell::new(),
            quota,
            gets: Lane::new(db.clone(), patience, &readers, Get),
            pages: pages.clone(),
            first_pages: Lane::new(db.clone(), patience, &readers, FirstPages),
            creates: Lane::new(db.clone(), patience, writers, Create { quota }),
            updates: Lane::new(db.clone(), patience, writers, Change),
            deletes: Lane::new(db.clone(), patience, writers, Remove { retention }),
            db,
        }
    }

    async fn page_token_key(&self) -> Result<&PageTokenKey, Error> {
        let load = async || {
            let mut candidate = [0; 32];
            aws_lc_rs::rand::fill(&mut candidate).expect("the system has randomness");
            page_token_keys::find_or_insert(&self.db, &candidate).await
        };
        self.page_token_key.get_or_try_init(load).await
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
        let task = one(self.gets.call((caller.id, vec![id])).await?)?;
        Ok(Response::new(pb::GetTaskResponse { task: Some(task.into()) }))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> RpcResult<pb::encoded::ListTasksResponse> {
        let caller = Caller::of(&request)?;
        let mut req = request.into_inner();
        let token = std::mem::take(&mut req.page_token);
        let (size, list) = convert::list(req)?;
        Ok(Response::new(self.page(caller.id, size, &list, &token).await?))
    }

    async fn update_task(
        &self,
        request: Request<pb::UpdateTaskRequest>,
    ) -> RpcResult<pb::UpdateTaskResponse> {
        let caller = Caller::of(&request)?;
        let validate_only = request.get_ref().validate_only;
        let patches = vec![convert::update(request.into_inner())?];
        let update = Update { owner: caller.id, patches, validate_only };
        let task = one(self.updates.call(update).await?)?;
        Ok(Response::new(pb::UpdateTaskResponse { task: Some(task.into()) }))
    }

    async fn delete_task(
        &self,
        request: Request<pb::DeleteTaskRequest>,
    ) -> RpcResult<pb::DeleteTaskResponse> {
        let caller = Caller::of(&request)?;
        let targets = vec![convert::target(request.get_ref())?];
        let task = one(self.deletes.call(Delete { owner: caller.id, targets }).await?)?;
        Ok(Response::new(pb::DeleteTaskResponse { task: Some(task.into()) }))
    }

    async fn undelete_task(
        &self,
        request: Request<pb::UndeleteTaskRequest>,
    ) -> RpcResult<pb::UndeleteTaskResponse> {
        let caller = Caller::of(&request)?;
        let id = convert::task_id(&request.get_ref().task_id)?;
        let mut db = self.db.acquire().await.map_err(Error::from)?;
        let task = tasks::undelete(&mut db, caller.id, id, self.quota, time::now()).await?;
        Ok(Response::new(pb::UndeleteTaskResponse { task: Some(task.into()) }))
    }

    async fn batch_get_tasks(
        &self,
        request: Request<pb::BatchGetTasksRequest>,
    ) -> RpcResult<pb::BatchGetTasksResponse> {
        let caller = Caller::of(&request)?;
        let ids = convert::task_ids(&request.get_ref().task_ids)?;
        let tasks = all(self.gets.call((caller.id, ids)).await?, "task_ids")?;
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
        let patches = convert::update_batch(request.into_inner())?;
        let update = Update { owner: caller.id, patches, validate_only };
        let tasks = to_pb(all(self.updates.call(update).await?, "requests")?);
        Ok(Response::new(pb::BatchUpdateTasksResponse { tasks }))
    }

    async fn batch_delete_tasks(
        &self,
        request: Request<pb::BatchDeleteTasksRequest>,
    ) -> RpcResult<pb::BatchDeleteTasksResponse> {
        let caller = Caller::of(&request)?;
        let targets = convert::delete_batch(request.get_ref())?;
        let delete = Delete { owner: caller.id, targets };
        let tasks = to_pb(all(self.deletes.call(delete).await?, "requests")?);
        Ok(Response::new(pb::BatchDeleteTasksResponse { tasks }))
    }
}
