//! Somebody with tasks, and what they do with them.

use prost_types::FieldMask;
use proto::task::v1 as pb;
use shared::ids::UserId;
use sqlx::AssertSqlSafe;
use test_support::TestDatabase;
use tonic::{Response, Status};

use super::Client;

/// Somebody with tasks.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) client: Client,
}

impl User {
    /// Creates a task with this title and nothing else.
    pub(crate) async fn create(&self, title: &str) -> pb::Task {
        let answer = self.try_create(titled(title)).await.expect("it is created");
        answer.into_inner().task.expect("a task is returned")
    }

    /// Asks for this task to be created.
    pub(crate) async fn try_create(
        &self,
        task: pb::Task,
    ) -> Result<Response<pb::CreateTaskResponse>, Status> {
        self.client.clone().create_task(pb::CreateTaskRequest { task: Some(task) }).await
    }

    /// The task as it is stored.
    pub(crate) async fn get(&self, id: &str) -> pb::Task {
        let answer = self.try_get(id).await.expect("it is there");
        answer.into_inner().task.expect("a task is returned")
    }

    /// Asks for a task.
    pub(crate) async fn try_get(
        &self,
        task_id: &str,
    ) -> Result<Response<pb::GetTaskResponse>, Status> {
        self.client.clone().get_task(pb::GetTaskRequest { task_id: task_id.into() }).await
    }

    /// Changes what the mask names to what `task` holds.
    pub(crate) async fn update(&self, task: pb::Task, mask: &[&str]) -> pb::Task {
        let answer = self.try_update(task, mask).await.expect("it is updated");
        answer.into_inner().task.expect("a task is returned")
    }

    /// Asks for what the mask names to be changed to what `task` holds. An empty mask is not sent.
    pub(crate) async fn try_update(
        &self,
        task: pb::Task,
        mask: &[&str],
    ) -> Result<Response<pb::UpdateTaskResponse>, Status> {
        let paths = mask.iter().map(ToString::to_string).collect();
        let update_mask = (!mask.is_empty()).then_some(FieldMask { paths });
        let request = pb::UpdateTaskRequest { task: Some(task), update_mask };
        self.client.clone().update_task(request).await
    }

    /// Deletes a task and returns what it was.
    pub(crate) async fn delete(&self, id: &str) -> pb::Task {
        let request = pb::DeleteTaskRequest { task_id: id.into() };
        let answer = self.client.clone().delete_task(request).await.expect("it is deleted");
        answer.into_inner().task.expect("the task is returned")
    }

    /// One page of the user's tasks.
    pub(crate) async fn page(&self, page_size: i32, page_token: &str) -> pb::ListTasksResponse {
        self.try_page(page_size, page_token).await.expect("it is listed").into_inner()
    }

    /// Asks for one page of the user's tasks.
    pub(crate) async fn try_page(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        let request = pb::ListTasksRequest { page_size, page_token: page_token.into() };
        self.client.clone().list_tasks(request).await
    }

    /// A token for the second page: the user gets two tasks if they have none.
    pub(crate) async fn page_token(&self) -> String {
        if self.page(1, "").await.next_page_token.is_empty() {
            self.create("older").await;
            self.create("newer").await;
        }
        self.page(1, "").await.next_page_token
    }

    /// Gives the user `count` tasks. Ten at a time were created in the same microsecond.
    pub(crate) async fn seed(&self, database: &TestDatabase, count: usize) {
        let owner = self.id;
        database
            .execute(format!(
                "insert into task.tasks (
                    owner_id, id, title, description, is_complete, create_time, update_time
                 )
                 select '{owner}', gen_random_uuid(), 'task ' || n, '', false, time, time
                 from generate_series(1, {count}) n,
                     lateral (select timestamptz '2026-01-01' + n / 10 * interval '1 s' as time) t"
            ))
            .await;
    }

    /// How many tasks the user has, by the database's word.
    pub(crate) async fn count(&self, database: &TestDatabase) -> i64 {
        let sql = format!("select count(*) from task.tasks where owner_id = '{}'", self.id);
        let pool = database.pool().await;
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&pool).await.expect("it is counted")
    }
}

/// A task with this title and nothing else.
pub(crate) fn titled(title: &str) -> pb::Task {
    pb::Task { title: title.into(), ..Default::default() }
}
