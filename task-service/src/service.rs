//! The RPCs of `tandem.task.v1.TaskService`, one function each.

use std::{sync::Arc, time::Duration};

use proto::task::v1::{self as pb, encoded::task_service_server::TaskService};
use shared::{
    auth::Caller,
    db::WorkerPool,
    error::{Error, RpcResult},
    ids::UserId,
    page::PageTokenKey,
};
use tokio::sync::OnceCell;
use tonic::{Request, Response};

use crate::{
    admission::{Admission, Rejected},
    coalesce::{Coalescer, Quarantine},
    config::Config,
    domain::{
        quota::Quota,
        task::{self, Target, Task, TaskPatch},
    },
    store::{
        page_token_keys,
        tasks::{self, Delete, Get, Update},
    },
};
use coalesced::{Creates, Deletes, FirstPages, Gets, Updates};

pub(crate) use first_page_cache::FirstPageCache;

mod coalesced;
mod convert;
mod create;
mod first_page_cache;
mod list;
mod quota;

/// How long after the statement timeout the database may take to report it.
const GRACE: Duration = Duration::from_secs(1);

/// The service of one worker.
pub(crate) struct Tasks {
    /// For the statements that are not coalesced.
    admission: Admission,
    page_token_key: OnceCell<PageTokenKey>,
    quota: Quota,
    gets: Coalescer<Gets>,
    first_page_cache: Arc<FirstPageCache>,
    first_pages: Coalescer<FirstPages>,
    creates: Coalescer<Creates>,
    updates: Coalescer<Updates>,
    deletes: Coalescer<Deletes>,
}

impl Tasks {
    /// `db` has the worker's connections. All workers share `writers`, the quarantine of the
    /// statements that write, and `first_page_cache`.
    pub(crate) fn new(
        db: WorkerPool,
        rejected: Rejected,
        writers: &Arc<Quarantine>,
        first_page_cache: &Arc<FirstPageCache>,
        config: &Config,
    ) -> Self {
        let timeout = config.database.statement_timeout + GRACE;
        let config = &config.task;
        let quota = Quota { tasks: config.tasks_per_user, bytes: config.bytes_per_user };
        let retention = config.deleted_retention;
        // Reads wait for no locks, so that workers need not share their quarantine.
        let readers = Arc::default();
        Self {
            page_token_key: OnceCell::new(),
            quota,
            gets: Coalescer::new(db.clone(), timeout, &readers, Gets),
            first_page_cache: first_page_cache.clone(),
            first_pages: Coalescer::new(db.clone(), timeout, &readers, FirstPages),
            creates: Coalescer::new(db.clone(), timeout, writers, Creates { quota }),
            updates: Coalescer::new(db.clone(), timeout, writers, Updates { quota }),
            deletes: Coalescer::new(db.clone(), timeout, writers, Deletes { retention }),
            admission: Admission::new(db, rejected),
        }
    }

    async fn update(
        &self,
        owner: UserId,
        patches: Arc<[(Target, TaskPatch)]>,
        validate_only: bool,
    ) -> Result<Vec<Result<Task, Error>>, Error> {
        let update =
            || self.updates.call(Update { owner, patches: patches.clone(), validate_only });
        self.within_quota(owner, update).await
    }

    async fn page_token_key(&self, owner: UserId) -> Result<&PageTokenKey, Error> {
        let load = async || {
            let mut candidate = [0; 32];
            aws_lc_rs::rand::fill(&mut candidate).expect("the system provides randomness");
            let mut db = self.admission.admit(owner).await?;
            let key = page_token_keys::find_or_insert(&mut db, &candidate).await;
            db.end(key)
        };
        self.page_token_key.get_or_try_init(load).await
    }
}

/// The results of a batch, or its first error. `field` is the path of the items in the request.
fn all<T>(results: Vec<Result<T, Error>>, field: &str) -> Result<Vec<T>, Error> {
    let named = |(i, result): (usize, Result<T, Error>)| {
        result.map_err(|error| Error::InBatch {
            field: format!("{field}[{i}]"),
            error: Box::new(error),
        })
    };
    results.into_iter().enumerate().map(named).collect()
}

/// The result of a call for one task.
fn one<T>(results: Vec<Result<T, Error>>) -> Result<T, Error> {
    results.into_iter().next().expect("each item has a result")
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
        let ids = vec![convert::task_id(&request.get_ref().task_id)?];
        let task = one(self.gets.call(Get { owner: caller.id, ids }).await?)?;
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
        let task = one(self.update(caller.id, patches.into(), validate_only).await?)?;
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
        let mut db = self.admission.admit(caller.id).await?;
        let task = tasks::undelete(&mut db, caller.id, id, self.quota).await;
        let task = db.end(task)?;
        Ok(Response::new(pb::UndeleteTaskResponse { task: Some(task.into()) }))
    }

    async fn batch_get_tasks(
        &self,
        request: Request<pb::BatchGetTasksRequest>,
    ) -> RpcResult<pb::BatchGetTasksResponse> {
        let caller = Caller::of(&request)?;
        let ids = convert::task_ids(&request.get_ref().task_ids)?;
        let tasks = all(self.gets.call(Get { owner: caller.id, ids }).await?, "task_ids")?;
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
        let results = self.update(caller.id, patches.into(), validate_only).await?;
        let tasks = to_pb(all(results, "requests")?);
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
