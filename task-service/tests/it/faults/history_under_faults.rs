//! A history under faults: every acknowledged write persists, nothing else exists, and nothing
//! exists twice, whichever process is killed.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::task::v1::{self as pb, task_service_client::TaskServiceClient};
use shared::ids::UserId;
use sqlx::{Connection as _, PgConnection};
use test_support::{TestDatabase, TestIssuer, TestKey, eventually};
use tokio::time::sleep;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::support::Program;

const WORKERS: usize = 6;
/// How many processes are killed.
const FAULTS: usize = 8;

/// What a client did, by the titles that it chose.
#[derive(Default)]
struct History {
    /// The tasks as they were last acknowledged; `None` after a delete.
    acknowledged: HashMap<String, (String, Option<pb::Task>)>,
    retries: usize,
}

/// A client that retries each call until it is answered, as the API allows.
struct Client {
    token: String,
    tasks: TaskServiceClient<tonic::transport::Channel>,
}

impl Client {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(Duration::from_secs(2));
        let bearer = format!("Bearer {}", self.token).parse().expect("a token is ASCII");
        request.metadata_mut().insert("authorization", bearer);
        request
    }

    /// Creates a task; retries carry the same request id.
    async fn create(&mut self, title: &str, history: &mut History) -> pb::Task {
        let task = pb::Task { title: title.into(), ..Default::default() };
        let request_id = Uuid::now_v7().to_string();
        let message = pb::CreateTaskRequest { task: Some(task), request_id, validate_only: false };
        loop {
            let request = self.request(message.clone());
            match self.tasks.create_task(request).await {
                Ok(answer) => return answer.into_inner().task.expect("it is returned"),
                Err(status) => history.wait_after(&status).await,
            }
        }
    }

    /// Completes a task with its etag. A retry that finds the etag stale has completed it before.
    async fn complete(&mut self, task: &pb::Task, history: &mut History) {
        let task = pb::Task { is_complete: true, ..task.clone() };
        let message = pb::UpdateTaskRequest { task: Some(task), ..Default::default() };
        loop {
            let request = self.request(message.clone());
            match self.tasks.update_task(request).await {
                Err(status) if status.code() != Code::Aborted => history.wait_after(&status).await,
                _ => return,
            }
        }
    }

    /// Deletes a task. A retry that finds it deleted has deleted it before.
    async fn delete(&mut self, task: &pb::Task, history: &mut History) {
        let message = pb::DeleteTaskRequest { task_id: task.id.clone(), etag: String::new() };
        loop {
            let request = self.request(message.clone());
            match self.tasks.delete_task(request).await {
                Err(status) if status.code() != Code::FailedPrecondition => {
                    history.wait_after(&status).await;
                }
                _ => return,
            }
        }
    }
}

impl History {
    /// Waits before the next attempt. Only faults are retried.
    async fn wait_after(&mut self, status: &Status) {
        let is_fault = matches!(
            status.code(),
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
        );
        assert!(is_fault, "{status:?}");
        self.retries += 1;
        sleep(Duration::from_millis(20)).await;
    }
}

async fn work(worker: usize, mut client: Client, stop: &AtomicBool) -> History {
    let mut history = History::default();
    for i in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let title = format!("{worker} {i}");
        let task = client.create(&title, &mut history).await;
        let id = task.id.clone();
        let known = match i % 3 {
            0 => Some(task),
            1 => {
                client.complete(&task, &mut history).await;
                Some(pb::Task { is_complete: true, ..task })
            }
            _ => {
                client.delete(&task, &mut history).await;
                None
            }
        };
        history.acknowledged.insert(title, (id, known));
    }
    history
}

/// Kills one of PostgreSQL's processes that serves us: it then ends all and recovers from its log.
async fn crash(database: &TestDatabase) {
    let mut watcher = PgConnection::connect(database.url()).await.expect("it is up");
    let pid: Option<i32> = sqlx::query_scalar(
        "select pid from pg_stat_activity where application_name = 'task-service' limit 1",
    )
    .fetch_optional(&mut watcher)
    .await
    .expect("it answers");
    let Some(pid) = pid else { return };
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it is ours");
    while watcher.ping().await.is_ok() {
        sleep(Duration::from_millis(1)).await;
    }
    let has_recovered = async || PgConnection::connect(database.url()).await.is_ok();
    eventually("it has recovered", has_recovered).await;
}

/// All tasks that are not deleted.
async fn all(client: &mut Client) -> Vec<pb::Task> {
    let mut tasks = Vec::new();
    let mut message = pb::ListTasksRequest { page_size: 200, ..Default::default() };
    loop {
        let request = client.request(message.clone());
        let page = client.tasks.list_tasks(request).await.expect("it is listed").into_inner();
        tasks.extend(page.tasks);
        message.page_token = page.next_page_token;
        if message.page_token.is_empty() {
            return tasks;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_killed_services_and_databases() {
    let database = TestDatabase::create_on_own_server().await;
    let key = TestKey::generate("first");
    let issuer = TestIssuer::start(&[&key]).await;
    let program = Program::new(&database, issuer.url(), &[]);
    let mut child = program.start();
    program.ready().await;

    let owner = UserId::generate();
    let new_client = || {
        let tasks = TaskServiceClient::new(program.channel());
        Client { token: key.token(owner), tasks }
    };
    let stop = AtomicBool::new(false);
    let working = futures_util::future::join_all(
        (0..WORKERS).map(|worker| work(worker, new_client(), &stop)),
    );
    let killing = async {
        let mut random = fastrand::Rng::with_seed(5);
        for fault in 0..FAULTS {
            sleep(Duration::from_millis(random.u64(50..400))).await;
            match fault % 3 {
                0 => {
                    child.kill().await;
                    child = program.start();
                }
                1 => crash(&database).await,
                _ => tokio::task::block_in_place(|| {
                    database.halt();
                    database.resume();
                }),
            }
            program.ready().await;
        }
        sleep(Duration::from_millis(200)).await;
        stop.store(true, Ordering::Relaxed);
    };
    let begun = Instant::now();
    let (histories, ()) = tokio::join!(working, killing);

    let mut present = HashMap::new();
    for task in all(&mut new_client()).await {
        let twice = present.insert(task.title.clone(), task);
        assert!(twice.is_none(), "{twice:?} exists twice");
    }
    let (mut count, mut retries) = (0, 0);
    for history in histories {
        retries += history.retries;
        for (title, (id, known)) in history.acknowledged {
            count += 1;
            let found = present.remove(&title);
            assert_eq!(found.is_some(), known.is_some(), "{title}");
            let (Some(found), Some(known)) = (found, known) else { continue };
            assert_eq!((&found.id, found.is_complete), (&id, known.is_complete), "{title}");
        }
    }
    assert!(present.is_empty(), "no client created {present:?}");
    assert!(count > 50 && retries > 0, "{count} tasks, {retries} retries");
    #[expect(clippy::print_stdout, reason = "shown with --nocapture")]
    {
        println!(
            "{count} acknowledged, {retries} retries, {FAULTS} faults in {:?}",
            begun.elapsed()
        );
    }
}
