//! GetTask.

use test_support::{Refusal, refusal};

use crate::support::{ABSENT_ID, App, task_not_found};

#[tokio::test]
async fn a_task_reads_back_as_it_was_created() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("buy milk").await;
    assert_eq!(alice.get(&task.id).await, task);
}

#[tokio::test]
async fn an_id_in_any_other_spelling_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("x").await.id;
    for bad in [
        "",
        "1",
        &id.to_uppercase(),
        &format!("{{{id}}}"),
        &format!("urn:uuid:{id}"),
        &id.replace('-', ""),
        &format!(" {id}"),
        &format!("{id}\n"),
        &id[1..],
        &"a".repeat(100_000),
    ] {
        let answer = alice.try_get(bad).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["task_id"]), "{bad:?}");
    }
}

#[tokio::test]
async fn an_absent_task_is_not_found() {
    let app = App::start().await;
    let [alice] = app.users();
    assert_eq!(refusal(alice.try_get(ABSENT_ID).await), task_not_found());
}
