//! ListTasks from the first page to the last.

use std::collections::HashMap;

use proto::task::v1 as pb;

use crate::support::App;

/// All tasks, the newest first.
fn newest() -> pb::ListTasksRequest {
    pb::ListTasksRequest::default()
}

#[tokio::test]
async fn pages_of_any_size_neither_skip_nor_repeat() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 120).await;
    let all = alice.page(200, "").await.tasks;
    assert_eq!(all.len(), 120);
    for page_size in [1, 5, 16, 53, 100] {
        let tasks = alice.walk(&newest(), page_size).await.concat();
        assert_eq!(tasks, all, "pages of {page_size}");
    }
}

#[tokio::test]
async fn the_last_page_has_a_task_and_no_token() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 20).await;
    for (page_size, lengths) in
        [(5, &[5, 5, 5, 5][..]), (7, &[7, 7, 6]), (19, &[19, 1]), (20, &[20]), (21, &[20])]
    {
        let pages = alice.walk(&newest(), page_size).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), lengths, "of {page_size}");
    }
}

#[tokio::test]
async fn lasting_tasks_appear_once_while_others_come_and_go() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 240).await;
    // Every other one will be deleted while the pages are walked.
    let tasks = alice.walk(&newest(), 200).await.concat();
    let (doomed, lasting): (Vec<_>, Vec<_>) =
        tasks.into_iter().enumerate().partition(|(index, _)| index % 2 == 0);

    let coming_and_going = async {
        for (_, task) in &doomed {
            alice.create("meanwhile").await;
            alice.delete(&task.id).await;
        }
    };
    let walking = async {
        let mut walks = Vec::new();
        for page_size in [3, 7, 16] {
            walks.push(alice.walk(&newest(), page_size).await.concat());
        }
        walks
    };
    let ((), walks) = tokio::join!(coming_and_going, walking);
    for tasks in walks {
        let mut seen = HashMap::<_, usize>::new();
        for task in &tasks {
            *seen.entry(&task.id).or_default() += 1;
        }
        assert!(seen.values().all(|times| *times == 1), "a task is repeated");
        assert!(lasting.iter().all(|(_, task)| seen.contains_key(&task.id)), "a task is skipped");
    }
}
