//! Batches: all or nothing, in order, with errors that name the item.

mod atomic;
mod keep_times;
mod limits;
mod results;

use prost_types::FieldMask;
use proto::task::v1 as pb;

use crate::support::{User, titled};

async fn create(alice: &User, titles: &[&str]) -> Vec<pb::Task> {
    let of =
        |title: &&str| pb::CreateTaskRequest { task: Some(titled(title)), ..Default::default() };
    let requests = titles.iter().map(of).collect();
    let request = pb::BatchCreateTasksRequest { requests, ..Default::default() };
    let answer = alice.client.clone().batch_create_tasks(request).await;
    answer.expect("they are created").into_inner().tasks
}

fn retitle(task: &pb::Task, title: &str, etag: &str) -> pb::UpdateTaskRequest {
    let task = pb::Task { id: task.id.clone(), etag: etag.into(), ..titled(title) };
    let update_mask = Some(FieldMask { paths: vec!["title".into()] });
    pb::UpdateTaskRequest { task: Some(task), update_mask, validate_only: false }
}

fn delete(id: &str, etag: &str) -> pb::DeleteTaskRequest {
    pb::DeleteTaskRequest { task_id: id.into(), etag: etag.into() }
}

async fn update(
    alice: &User,
    requests: Vec<pb::UpdateTaskRequest>,
) -> Result<Vec<pb::Task>, tonic::Status> {
    let request = pb::BatchUpdateTasksRequest { requests, validate_only: false };
    Ok(alice.client.clone().batch_update_tasks(request).await?.into_inner().tasks)
}

async fn delete_all(
    alice: &User,
    requests: Vec<pb::DeleteTaskRequest>,
) -> Result<Vec<pb::Task>, tonic::Status> {
    let request = pb::BatchDeleteTasksRequest { requests };
    Ok(alice.client.clone().batch_delete_tasks(request).await?.into_inner().tasks)
}

async fn get(alice: &User, task_ids: Vec<String>) -> Result<Vec<pb::Task>, tonic::Status> {
    let request = pb::BatchGetTasksRequest { task_ids };
    Ok(alice.client.clone().batch_get_tasks(request).await?.into_inner().tasks)
}
