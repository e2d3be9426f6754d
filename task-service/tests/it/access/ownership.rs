//! A task is invisible to every user but its owner.

use std::collections::HashSet;

use crate::support::{ABSENT_ID, App, call_each_about};

#[tokio::test]
async fn another_users_task_answers_byte_for_byte_as_an_absent_one() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let task = alice.create("private").await;
    let absent = call_each_about(&bob.client, ABSENT_ID).await;
    let foreign = call_each_about(&bob.client, &task.id).await;
    for ((method, absent), (_, foreign)) in absent.into_iter().zip(foreign) {
        let (absent, foreign) = (absent.unwrap_err(), foreign.unwrap_err());
        assert_eq!(foreign.code(), absent.code(), "{method}");
        assert_eq!(foreign.message(), absent.message(), "{method}");
        assert_eq!(foreign.details(), absent.details(), "{method}");
        let names = |status: &tonic::Status| {
            let headers = status.metadata().clone().into_headers();
            headers.keys().map(ToString::to_string).collect::<HashSet<_>>()
        };
        assert_eq!(names(&foreign), names(&absent), "{method}");
    }
}

#[tokio::test]
async fn calls_of_other_users_change_nothing() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let task = alice.create("private").await;
    for (method, answer) in call_each_about(&bob.client, &task.id).await {
        assert!(answer.is_err(), "{method}");
    }
    assert_eq!(alice.get(&task.id).await, task);
    assert_eq!(bob.count(&app.database).await, 0);
}

#[tokio::test]
async fn a_list_holds_the_callers_tasks_only() {
    let app = App::start().await;
    let [alice, bob, carol] = app.users();
    let (mut of_alice, mut of_bob) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        of_alice.insert(0, alice.create("of alice").await);
        of_bob.insert(0, bob.create("of bob").await);
    }
    assert_eq!(alice.page(0, "").await.tasks, of_alice);
    assert_eq!(bob.page(0, "").await.tasks, of_bob);
    assert_eq!(carol.page(0, "").await.tasks, []);
}

#[tokio::test]
async fn the_next_page_holds_the_callers_tasks_only() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let newer = bob.create("of bob").await;
    alice.seed(&app.database, 10).await;
    bob.seed(&app.database, 1).await;
    let first = bob.page(1, "").await;
    assert_eq!(first.tasks, [newer]);
    let second = bob.page(5, &first.next_page_token).await;
    assert_eq!(second.tasks.len(), 1);
    assert!(second.next_page_token.is_empty());
}

#[tokio::test]
async fn two_owners_can_have_tasks_with_the_same_id() {
    let app = App::start().await;
    let [alice, bob] = app.users();
    let task = alice.create("of alice").await;
    let copy = format!(
        "insert into task.feeds values ('{0}', 1, 1);
         insert into task.tasks (
            owner_id, id, title, title_folded, description, description_folded, is_complete,
            revision, create_time, update_time
         )
         select
            '{0}', id, 'of bob', '', '', '', is_complete, revision, create_time, update_time
         from task.tasks",
        bob.id
    );
    app.database.execute(copy).await;
    assert_eq!(bob.get(&task.id).await.title, "of bob");
    bob.delete(&task.id).await;
    assert_eq!(alice.get(&task.id).await, task);
}
