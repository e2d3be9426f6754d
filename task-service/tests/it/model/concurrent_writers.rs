//! Replicas that change the same tasks concurrently: each acknowledged change has one revision.

use std::collections::HashSet;

use proto::task::v1 as pb;
use test_support::refusal;
use tokio::task::JoinSet;
use tonic::Status;

use crate::support::{App, User};

const TASKS: usize = 6;
const WRITERS: usize = 8;
const CHANGES: usize = 60;

/// The changed tasks; none if another change came first.
fn changed(answer: Result<Vec<pb::Task>, Status>) -> Vec<pb::Task> {
    answer.unwrap_or_else(|status| {
        let reason = refusal::<()>(Err(status)).reason;
        assert!(["TASK_DELETED", "TASK_NOT_DELETED"].contains(&&*reason), "{reason}");
        Vec::new()
    })
}

/// Changes tasks at random, and returns them as they were after each change.
async fn write(user: User, ids: Vec<String>, writer: usize) -> Vec<pb::Task> {
    let mut client = user.client.clone();
    let mut written = Vec::new();
    for n in 0..CHANGES {
        let mut ids = ids.clone();
        fastrand::shuffle(&mut ids);
        let update = |id: &String| pb::UpdateTaskRequest {
            task: Some(pb::Task {
                id: id.clone(),
                title: format!("{writer}: {n}"),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["title".into()] }),
            validate_only: false,
        };
        written.extend(match fastrand::u8(..8) {
            0 => {
                let answer = user.try_delete(&ids[0], "").await;
                changed(answer.map(|answer| Vec::from_iter(answer.into_inner().task)))
            }
            1..=3 => {
                let answer = user.try_undelete(&ids[0]).await;
                changed(answer.map(|answer| Vec::from_iter(answer.into_inner().task)))
            }
            4..=5 => {
                let answer = client.update_task(update(&ids[0])).await;
                changed(answer.map(|answer| Vec::from_iter(answer.into_inner().task)))
            }
            _ => {
                let requests = ids[..3].iter().map(update).collect();
                let batch = pb::BatchUpdateTasksRequest { requests, validate_only: false };
                let answer = client.batch_update_tasks(batch).await;
                changed(answer.map(|answer| answer.into_inner().tasks))
            }
        });
    }
    written
}

#[tokio::test]
async fn each_acknowledged_change_has_one_revision_and_there_are_no_others() {
    let app = App::start().await;
    let [alice] = app.users();
    let replica = app.replica().await;
    let mut ids = Vec::new();
    for n in 0..TASKS {
        ids.push(alice.create(&n.to_string()).await.id);
    }
    let writers = (0..WRITERS).map(|writer| {
        let user = if writer % 2 == 0 { alice.clone() } else { app.at(&replica, &alice) };
        write(user, ids.clone(), writer)
    });
    let written = writers.collect::<JoinSet<_>>().join_all().await.concat();
    let etags: HashSet<_> = written.iter().map(|task| &task.etag).collect();
    assert_eq!(etags.len(), written.len(), "two changes have the same revision");
    let stored = sqlx::query_as::<_, (i64, i32, i64)>(
        "select feed.revision, feed.task_count, count(*) filter (where delete_time is null)
         from task.feeds as feed
         join task.tasks using (owner_id)
         group by feed.owner_id",
    );
    let stored = stored.fetch_one(&app.database.pool().await).await.unwrap();
    assert_eq!(stored.0, i64::try_from(TASKS + written.len()).unwrap());
    assert_eq!(i64::from(stored.1), stored.2);
    assert!(written.len() > WRITERS * CHANGES / 8, "only {} changes succeeded", written.len());
}
