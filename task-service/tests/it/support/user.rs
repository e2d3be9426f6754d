//! A user and their calls.

use prost_types::FieldMask;
use proto::task::v1 as pb;
use shared::ids::UserId;
use sqlx::AssertSqlSafe;
use test_support::TestDatabase;
use tonic::{Response, Status};

use super::Client;

/// A user with a client.
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

    /// Calls CreateTask.
    pub(crate) async fn try_create(
        &self,
        task: pb::Task,
    ) -> Result<Response<pb::CreateTaskResponse>, Status> {
        let request = pb::CreateTaskRequest { task: Some(task), ..Default::default() };
        self.client.clone().create_task(request).await
    }

    /// The task as it is stored.
    pub(crate) async fn get(&self, id: &str) -> pb::Task {
        let answer = self.try_get(id).await.expect("it is there");
        answer.into_inner().task.expect("a task is returned")
    }

    /// Calls GetTask.
    pub(crate) async fn try_get(
        &self,
        task_id: &str,
    ) -> Result<Response<pb::GetTaskResponse>, Status> {
        self.client.clone().get_task(pb::GetTaskRequest { task_id: task_id.into() }).await
    }

    /// Updates a task and returns it.
    pub(crate) async fn update(&self, task: pb::Task, mask: &[&str]) -> pb::Task {
        let answer = self.try_update(task, mask).await.expect("it is updated");
        answer.into_inner().task.expect("a task is returned")
    }

    /// Calls UpdateTask. An empty mask is not sent.
    pub(crate) async fn try_update(
        &self,
        task: pb::Task,
        mask: &[&str],
    ) -> Result<Response<pb::UpdateTaskResponse>, Status> {
        let paths = mask.iter().map(ToString::to_string).collect();
        let update_mask = (!mask.is_empty()).then_some(FieldMask { paths });
        let request = pb::UpdateTaskRequest { task: Some(task), update_mask, validate_only: false };
        self.client.clone().update_task(request).await
    }

    /// Deletes a task and returns it.
    pub(crate) async fn delete(&self, id: &str) -> pb::Task {
        let answer = self.try_delete(id, "").await.expect("it is deleted");
        answer.into_inner().task.expect("the task is returned")
    }

    /// Calls DeleteTask. An empty etag means any version.
    pub(crate) async fn try_delete(
        &self,
        task_id: &str,
        etag: &str,
    ) -> Result<Response<pb::DeleteTaskResponse>, Status> {
        let request = pb::DeleteTaskRequest { task_id: task_id.into(), etag: etag.into() };
        self.client.clone().delete_task(request).await
    }

    /// Undeletes a task and returns it.
    pub(crate) async fn undelete(&self, id: &str) -> pb::Task {
        let answer = self.try_undelete(id).await.expect("it is undeleted");
        answer.into_inner().task.expect("the task is returned")
    }

    /// Calls UndeleteTask.
    pub(crate) async fn try_undelete(
        &self,
        task_id: &str,
    ) -> Result<Response<pb::UndeleteTaskResponse>, Status> {
        let request = pb::UndeleteTaskRequest { task_id: task_id.into() };
        self.client.clone().undelete_task(request).await
    }

    /// One page of the user's tasks.
    pub(crate) async fn page(&self, page_size: i32, page_token: &str) -> pb::ListTasksResponse {
        self.try_page(page_size, page_token).await.expect("it is listed").into_inner()
    }

    /// Calls ListTasks without a filter.
    pub(crate) async fn try_page(
        &self,
        page_size: i32,
        page_token: &str,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        let page_token = page_token.into();
        self.try_list(pb::ListTasksRequest { page_size, page_token, ..Default::default() }).await
    }

    /// The first page of this list.
    pub(crate) async fn list(&self, request: pb::ListTasksRequest) -> Vec<pb::Task> {
        self.try_list(request).await.expect("it is listed").into_inner().tasks
    }

    /// Calls ListTasks.
    pub(crate) async fn try_list(
        &self,
        request: pb::ListTasksRequest,
    ) -> Result<Response<pb::ListTasksResponse>, Status> {
        self.client.clone().list_tasks(request).await
    }

    /// All pages of this list, each of this size.
    pub(crate) async fn walk(
        &self,
        list: &pb::ListTasksRequest,
        page_size: i32,
    ) -> Vec<Vec<pb::Task>> {
        let mut request = pb::ListTasksRequest { page_size, ..list.clone() };
        let mut pages = Vec::new();
        loop {
            let page = self.try_list(request.clone()).await.expect("it is listed").into_inner();
            pages.push(page.tasks);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return pages;
            }
        }
    }

    /// A token for the second page: the user gets two tasks if they have none.
    pub(crate) async fn page_token(&self) -> String {
        if self.page(1, "").await.next_page_token.is_empty() {
            self.create("older").await;
            self.create("newer").await;
        }
        self.page(1, "").await.next_page_token
    }

    /// Gives the user `count` tasks, of 13 bytes each. Ten at a time were created in the same
    /// microsecond.
    pub(crate) async fn seed(&self, database: &TestDatabase, count: usize) {
        let owner = self.id;
        let bytes = count * (13 + 1024);
        database
            .execute(format!(
                "with feed as (
                    insert into task.feeds as feed (owner_id, revision, task_count, task_bytes)
                    values ('{owner}', {count}, {count}, {bytes})
                    on conflict (owner_id) do update
                    set revision = feed.revision + {count},
                        task_count = feed.task_count + {count},
                        task_bytes = feed.task_bytes + {bytes}
                    returning revision
                 )
                 insert into task.tasks (
                    owner_id, id, title, title_folded, description, description_folded,
                    is_complete, priority, labels, due_time,
                    due_time_zone, revision, create_time, update_time
                 )
                 select
                    '{owner}', gen_random_uuid(), 'task ' || n % 7, 'task ' || n % 7, '', '',
                    false, n % 4 + 1, array['label ' || n % 3],
                    case when n % 5 > 0 then time + n % 11 * interval '1 day' end,
                    case when n % 5 > 0 then 'UTC' end,
                    revision - {count} + n, time, time
                 from feed, generate_series(1, {count}) n,
                     lateral (select timestamptz '2026-01-01' + n / 10 * interval '1 s' as time) t"
            ))
            .await;
    }

    /// How many tasks the user has, without deleted ones. Checks that the feed counts the same
    /// tasks and bytes.
    pub(crate) async fn count(&self, database: &TestDatabase) -> i64 {
        let sql = format!(
            "select
                count(*) filter (where delete_time is null),
                coalesce(sum(
                    octet_length(title) + octet_length(description)
                    + octet_length(array_to_string(labels, '')) + 1024
                ), 0),
                coalesce((select task_count from task.feeds where owner_id = '{0}'), 0)::bigint,
                coalesce((select task_bytes from task.feeds where owner_id = '{0}'), 0)
            from task.tasks
            where owner_id = '{0}'",
            self.id
        );
        let pool = database.pool().await;
        let counts = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&pool).await;
        let (tasks, bytes, counted, counted_bytes): (i64, i64, i64, i64) =
            counts.expect("they are counted");
        assert_eq!(tasks, counted, "the feed has another number of tasks");
        assert_eq!(bytes, counted_bytes, "the feed has another number of bytes");
        tasks
    }
}

/// A task with this title and nothing else.
pub(crate) fn titled(title: &str) -> pb::Task {
    pb::Task { title: title.into(), ..Default::default() }
}
