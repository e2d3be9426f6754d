//! The RPCs of `tandem.task.v1.TaskService`, one function each.

use proto::task::v1::{self as pb, task_service_server::TaskService};
use shared::{
    auth::Caller,
    error::{Error, RpcResult},
    ids::UserId,
    page::{self, Cursor, PageTokenKey},
    time,
};
use sqlx::PgPool;
use tokio::sync::OnceCell;
use tonic::{Request, Response};

use crate::store::{page_token_keys, tasks};

mod convert;

/// The state behind the service.
pub(crate) struct Tasks {
    db: PgPool,
    page_token_key: OnceCell<PageTokenKey>,
}

impl Tasks {
    pub(crate) fn new(db: PgPool) -> Self {
        Self { db, page_token_key: OnceCell::new() }
    }

    async fn page_token_key(&self) -> Result<&PageTokenKey, Error> {
        let load = async || {
            let mut candidate = [0; 32];
            aws_lc_rs::rand::fill(&mut candidate).expect("the system has randomness");
            page_token_keys::find_or_insert(&self.db, &candidate).await
        };
        self.page_token_key.get_or_try_init(load).await
    }

    async fn open_page_token(&self, owner: UserId, token: &str) -> Result<Cursor, Error> {
        if token.is_empty() {
            return Ok(Cursor::START);
        }
        self.page_token_key().await?.open_or_start(owner, token)
    }
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn create_task(
        &self,
        request: Request<pb::CreateTaskRequest>,
    ) -> RpcResult<pb::CreateTaskResponse> {
        let caller = Caller::of(&request)?;
        let new_task = convert::new_task(request.into_inner())?;
        let task = new_task.create(time::now());
        tasks::insert(&self.db, caller.id, &task).await?;
        Ok(Response::new(pb::CreateTaskResponse { task: Some(task.into()) }))
    }

    async fn get_task(
        &self,
        request: Request<pb::GetTaskRequest>,
    ) -> RpcResult<pb::GetTaskResponse> {
        let caller = Caller::of(&request)?;
        let id = convert::task_id(&request.get_ref().task_id)?;
        let task = tasks::get(&self.db, caller.id, id).await?;
        Ok(Response::new(pb::GetTaskResponse { task: Some(task.into()) }))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> RpcResult<pb::ListTasksResponse> {
        let caller = Caller::of(&request)?;
        let req = request.into_inner();
        let page_size = convert::page_size(req.page_size)?;
        let cursor = self.open_page_token(caller.id, &req.page_token).await?;
        let tasks = tasks::list(&self.db, caller.id, cursor, page_size.get() + 1).await?;
        let (tasks, next) = page::cut(tasks, page_size);
        let next_page_token = match next {
            Some(next) => self.page_token_key().await?.seal(caller.id, next),
            None => String::new(),
        };
        let tasks = tasks.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTasksResponse { tasks, next_page_token }))
    }

    async fn update_task(
        &self,
        request: Request<pb::UpdateTaskRequest>,
    ) -> RpcResult<pb::UpdateTaskResponse> {
        let caller = Caller::of(&request)?;
        let (id, patch) = convert::update(request.into_inner())?;
        let task = tasks::update(&self.db, caller.id, id, &patch, time::now()).await?;
        Ok(Response::new(pb::UpdateTaskResponse { task: Some(task.into()) }))
    }

    async fn delete_task(
        &self,
        request: Request<pb::DeleteTaskRequest>,
    ) -> RpcResult<pb::DeleteTaskResponse> {
        let caller = Caller::of(&request)?;
        let id = convert::task_id(&request.get_ref().task_id)?;
        let task = tasks::delete(&self.db, caller.id, id).await?;
        Ok(Response::new(pb::DeleteTaskResponse { task: Some(task.into()) }))
    }
}
