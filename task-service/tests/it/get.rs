//! GetTask.

use proto::task::v1 as pb;

use crate::support::App;

#[tokio::test]
async fn a_task_reads_back_as_it_was_created() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let task = alice.create("buy milk").await;
    let request = pb::GetTaskRequest { task_id: task.id.clone() };
    let answer = alice.client.get_task(request).await.unwrap().into_inner();
    assert_eq!(answer.task, Some(task));
}
