//! The usual service: what a competent team writes on the first day, with the defaults of tonic,
//! sqlx and tokio. Each call verifies an HS256 token and runs one query.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use proto::task::v1::{
    self as pb,
    task_service_server::{TaskService, TaskServiceServer},
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    service::Interceptor,
    transport::{Server, server::TcpIncoming},
};
use uuid::Uuid;

mod process;

pub(super) use process::Usual;

const DATABASE: &str = "usual";
const SECRET: &[u8] = b"a baseline needs no secret of its own";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Config {
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
}

/// Serves calls until the process ends.
pub(crate) async fn run(config: &Config, listener: TcpListener) -> anyhow::Result<()> {
    let tasks = Tasks { db: PgPool::connect(&config.database_url).await? };
    let authenticate = Authenticate {
        key: DecodingKey::from_secret(SECRET),
        validation: Validation::new(Algorithm::HS256),
    };
    let service = TaskServiceServer::with_interceptor(tasks, authenticate);
    // tonic sets it on listeners of its own; without it responses are delayed by 40 ms.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder().add_service(service).serve_with_incoming(incoming).await?)
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: Uuid,
    exp: i64,
}

/// An access token, valid for ten minutes.
fn token(owner: Uuid) -> String {
    let claims = Claims { sub: owner, exp: shared::time::now().timestamp() + 600 };
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::default(), &claims, &key).expect("HS256 signs anything")
}

#[derive(Clone)]
struct Authenticate {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Clone, Copy)]
struct Owner(Uuid);

impl Interceptor for Authenticate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let rejected = || Status::unauthenticated("a valid token is required");
        let header = request.metadata().get("authorization").ok_or_else(rejected)?;
        let token = header.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let token = token.ok_or_else(rejected)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|_| rejected())?
            .claims;
        request.extensions_mut().insert(Owner(claims.sub));
        Ok(request)
    }
}

type Reply<T> = Result<Response<T>, Status>;

#[derive(sqlx::FromRow)]
struct Task {
    id: Uuid,
    title: String,
    description: String,
    is_complete: bool,
    create_time: DateTime<Utc>,
    update_time: DateTime<Utc>,
}

struct Tasks {
    db: PgPool,
}

#[tonic::async_trait]
impl TaskService for Tasks {
    async fn create_task(
        &self,
        request: Request<pb::CreateTaskRequest>,
    ) -> Reply<pb::CreateTaskResponse> {
        let Owner(owner) = owner(&request)?;
        let task = request.into_inner().task.unwrap_or_default();
        let insert = sqlx::query_as(
            "insert into tasks (
                owner_id, id, title, description, is_complete, create_time, update_time
             )
             values ($1, $2, $3, $4, $5, now(), now())
             returning id, title, description, is_complete, create_time, update_time",
        );
        let task: Task = insert
            .bind(owner)
            .bind(Uuid::now_v7())
            .bind(task.title)
            .bind(task.description)
            .bind(task.is_complete)
            .fetch_one(&self.db)
            .await
            .map_err(internal)?;
        Ok(Response::new(pb::CreateTaskResponse { task: Some(task.into()) }))
    }

    async fn get_task(&self, request: Request<pb::GetTaskRequest>) -> Reply<pb::GetTaskResponse> {
        let Owner(owner) = owner(&request)?;
        let select = sqlx::query_as(
            "select id, title, description, is_complete, create_time, update_time
             from tasks
             where owner_id = $1 and id = $2",
        );
        let task: Task = select
            .bind(owner)
            .bind(id(&request.get_ref().task_id)?)
            .fetch_optional(&self.db)
            .await
            .map_err(internal)?
            .ok_or_else(not_found)?;
        Ok(Response::new(pb::GetTaskResponse { task: Some(task.into()) }))
    }

    async fn list_tasks(
        &self,
        request: Request<pb::ListTasksRequest>,
    ) -> Reply<pb::ListTasksResponse> {
        let Owner(owner) = owner(&request)?;
        let size = match request.get_ref().page_size {
            0 => 50,
            size => size.clamp(1, 200),
        };
        let select = sqlx::query_as(
            "select id, title, description, is_complete, create_time, update_time
             from tasks
             where owner_id = $1
             order by create_time desc
             limit $2",
        );
        let tasks: Vec<Task> =
            select.bind(owner).bind(size).fetch_all(&self.db).await.map_err(internal)?;
        let tasks = tasks.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListTasksResponse { tasks, ..Default::default() }))
    }

    async fn update_task(
        &self,
        request: Request<pb::UpdateTaskRequest>,
    ) -> Reply<pb::UpdateTaskResponse> {
        let Owner(owner) = owner(&request)?;
        let task = request.into_inner().task.unwrap_or_default();
        let update = sqlx::query_as(
            "update tasks
             set title = $3, is_complete = $4, update_time = now()
             where owner_id = $1 and id = $2
             returning id, title, description, is_complete, create_time, update_time",
        );
        let task: Task = update
            .bind(owner)
            .bind(id(&task.id)?)
            .bind(task.title)
            .bind(task.is_complete)
            .fetch_optional(&self.db)
            .await
            .map_err(internal)?
            .ok_or_else(not_found)?;
        Ok(Response::new(pb::UpdateTaskResponse { task: Some(task.into()) }))
    }

    async fn delete_task(
        &self,
        _: Request<pb::DeleteTaskRequest>,
    ) -> Reply<pb::DeleteTaskResponse> {
        Err(Status::unimplemented("delete_task"))
    }

    async fn undelete_task(
        &self,
        _: Request<pb::UndeleteTaskRequest>,
    ) -> Reply<pb::UndeleteTaskResponse> {
        Err(Status::unimplemented("undelete_task"))
    }

    async fn batch_get_tasks(
        &self,
        _: Request<pb::BatchGetTasksRequest>,
    ) -> Reply<pb::BatchGetTasksResponse> {
        Err(Status::unimplemented("batch_get_tasks"))
    }

    async fn batch_create_tasks(
        &self,
        _: Request<pb::BatchCreateTasksRequest>,
    ) -> Reply<pb::BatchCreateTasksResponse> {
        Err(Status::unimplemented("batch_create_tasks"))
    }

    async fn batch_update_tasks(
        &self,
        _: Request<pb::BatchUpdateTasksRequest>,
    ) -> Reply<pb::BatchUpdateTasksResponse> {
        Err(Status::unimplemented("batch_update_tasks"))
    }

    async fn batch_delete_tasks(
        &self,
        _: Request<pb::BatchDeleteTasksRequest>,
    ) -> Reply<pb::BatchDeleteTasksResponse> {
        Err(Status::unimplemented("batch_delete_tasks"))
    }
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.to_string(),
            title: task.title,
            description: task.description,
            is_complete: task.is_complete,
            create_time: Some(timestamp(task.create_time)),
            update_time: Some(timestamp(task.update_time)),
            ..Default::default()
        }
    }
}

fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    let nanos =
        time.timestamp_subsec_nanos().try_into().expect("a second has less than 2^31 nanoseconds");
    prost_types::Timestamp { seconds: time.timestamp(), nanos }
}

fn owner<T>(request: &Request<T>) -> Result<Owner, Status> {
    request
        .extensions()
        .get()
        .copied()
        .ok_or_else(|| Status::unauthenticated("a valid token is required"))
}

fn id(text: &str) -> Result<Uuid, Status> {
    text.parse().map_err(|_| Status::invalid_argument("a task id must be a UUID"))
}

fn not_found() -> Status {
    Status::not_found("task not found")
}

#[expect(clippy::needless_pass_by_value, reason = "map_err passes the error by value")]
fn internal(error: sqlx::Error) -> Status {
    Status::internal(error.to_string())
}
