//! CreateTask.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};

use crate::support::{App, titled};

fn timestamp(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

#[tokio::test]
async fn text_is_kept_byte_for_byte() {
    let app = App::start().await;
    let [alice] = app.users();
    for (title, description) in [
        ("Käse 🧀 für 日本", "👩‍👩‍👧‍👦 family, 🇩🇪 flag, ﷽"),
        ("e\u{301} is not é", "one\n\ttwo\n\n"),
        ("inner  spaces", "   "),
        ("'; drop table task.tasks; --", "\\ \" % _ $1 {} \u{200b}\u{feff}\u{202e}"),
        ("🧀".repeat(200).as_str(), "é\n\t🧀x".repeat(2_000).as_str()),
    ] {
        let task = pb::Task { description: description.into(), ..titled(title) };
        let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
        let stored = alice.get(&created.id).await;
        assert_eq!((&*stored.title, &*stored.description), (title, description));
        assert_eq!(stored, created);
    }
}

#[tokio::test]
async fn the_outer_white_space_of_a_title_is_trimmed() {
    let app = App::start().await;
    let [alice] = app.users();
    for sent in [" a  b ", "\u{feff}a  b\r\n", "\u{3000}a  b\u{200b}\u{2028}"] {
        let task = alice.create(sent).await;
        assert_eq!(task.title, "a  b");
        let change = pb::Task { title: sent.into(), ..task.clone() };
        assert_eq!(alice.update(change, &["title"]).await, task);
    }
}

#[tokio::test]
async fn each_line_end_of_a_description_is_stored_as_a_newline() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { description: "a\r\nb\rc\n\n".into(), ..titled("x") };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    assert_eq!(created.description, "a\nb\nc\n\n");
    assert_eq!(alice.get(&created.id).await, created);
    let search = |text: &str| pb::ListTasksRequest {
        filter: Some(pb::TaskFilter { text: text.into(), ..Default::default() }),
        ..Default::default()
    };
    for text in ["a\r\nb", "b\nc", "B\rC"] {
        assert_eq!(alice.list(search(text)).await, std::slice::from_ref(&created), "{text:?}");
    }
}

#[tokio::test]
async fn output_only_fields_are_ignored() {
    let app = App::start().await;
    let [alice] = app.users();
    let first = alice.create("first").await;
    let (create_time, update_time, complete_time) = [1, 2, 3].map(timestamp).map(Some).into();
    let task = pb::Task {
        id: first.id.clone(),
        create_time,
        update_time,
        complete_time,
        ..titled("second")
    };
    let second = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    assert_ne!(second.id, first.id);
    assert_ne!(second.create_time, create_time);
    assert_ne!(second.update_time, update_time);
    assert_eq!(second.complete_time, None);
    assert_eq!(alice.get(&first.id).await, first);
}

#[tokio::test]
async fn an_invalid_id_is_ignored() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { id: "mine".into(), ..titled("x") };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    assert_ne!(created.id, "mine");
}

#[tokio::test]
async fn ids_are_lower_case_uuids_of_version_7() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("x").await.id;
    let uuid = uuid::Uuid::parse_str(&id).unwrap();
    assert_eq!(uuid.get_version_num(), 7);
    assert_eq!(uuid.to_string(), id);
}

#[tokio::test]
async fn both_times_are_the_current_time_in_microseconds() {
    let app = App::start().await;
    let [alice] = app.users();
    let before = shared::time::now().timestamp();
    for _ in 0..10 {
        let task = alice.create("x").await;
        let time = task.create_time.unwrap();
        assert_eq!(task.update_time, task.create_time);
        assert_eq!(task.complete_time, None);
        assert_eq!(time.nanos % 1_000, 0, "{time:?}");
        assert!((before..=before + 60).contains(&time.seconds), "{time:?}");
    }
}

#[tokio::test]
async fn a_task_created_complete_has_its_create_time_as_complete_time() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { is_complete: true, ..titled("x") };
    let created = alice.try_create(task).await.unwrap().into_inner().task.unwrap();
    assert!(created.is_complete);
    assert_eq!(created.complete_time, created.create_time);
    assert_eq!(alice.get(&created.id).await, created);
}

#[tokio::test]
async fn every_invalid_field_is_named_and_nothing_is_stored() {
    let app = App::start().await;
    let [alice] = app.users();
    let long = |count| "🧀".repeat(count);
    for (title, description, fields) in [
        ("", "", &["task.title"][..]),
        (&long(201), "", &["task.title"]),
        ("two\nlines", "", &["task.title"]),
        ("a\ttab", "", &["task.title"]),
        ("a\0b", "", &["task.title"]),
        ("\u{85}", "", &["task.title"]),
        (" ", "", &["task.title"]),
        ("\u{200b}\u{200d}", "", &["task.title"]),
        ("a\u{202e}b", "", &["task.title"]),
        ("a\u{2028}b", "", &["task.title"]),
        ("good", &long(10_001), &["task.description"]),
        ("good", "a\0b", &["task.description"]),
        ("good", "\u{1b}[31m", &["task.description"]),
        ("", "a\0b", &["task.title", "task.description"]),
    ] {
        let task = pb::Task { description: description.into(), ..titled(title) };
        let answer = alice.try_create(task).await;
        assert_eq!(refusal(answer), Refusal::invalid(fields), "{title:?} {description:?}");
    }
    assert_eq!(alice.count(&app.database).await, 0);
}

#[tokio::test]
async fn a_request_without_a_task_is_rejected() {
    let app = App::start().await;
    let [mut alice] = app.users();
    let answer = alice.client.create_task(pb::CreateTaskRequest::default()).await;
    assert_eq!(refusal(answer), Refusal::invalid(&["task"]));
}
