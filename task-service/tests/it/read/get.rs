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
async fn an_id_may_be_spelt_as_any_uuid_and_is_answered_in_one_spelling() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    let id = &task.id;
    for spelling in [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        format!("urn:uuid:{}", id.to_uppercase()),
    ] {
        assert_eq!(alice.get(&spelling).await, task, "{spelling}");
    }
}

#[tokio::test]
async fn an_id_that_is_no_uuid_or_a_default_value_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("x").await.id;
    for bad in [
        "",
        "1",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
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
