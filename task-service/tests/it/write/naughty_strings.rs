//! The Big List of Naughty Strings: each comes back, or is rejected by the name of its field.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};

use crate::support::{App, User, titled};

fn strings() -> Vec<String> {
    let list = include_str!("../../data/naughty-strings/blns.json");
    serde_json::from_str(list).expect("it is a list of strings")
}

/// The task as it is stored, or `None` if it was rejected because of this field alone.
async fn created(alice: &User, task: pb::Task, field: &str) -> Option<pb::Task> {
    match alice.try_create(task).await {
        Ok(answer) => {
            let created = answer.into_inner().task.expect("it is returned");
            assert_eq!(alice.get(&created.id).await, created);
            Some(created)
        }
        Err(status) => {
            assert_eq!(refusal(Err::<(), _>(status)), Refusal::invalid(&[field]));
            None
        }
    }
}

async fn finds(alice: &User, text: &str, task: &pb::Task) -> bool {
    let filter = Some(pb::TaskFilter { text: text.into(), ..Default::default() });
    let list = pb::ListTasksRequest { filter, page_size: 1, ..Default::default() };
    alice.list(list).await.contains(task)
}

#[tokio::test]
async fn each_string_comes_back_from_every_text_field_and_is_found() {
    let app = App::start().await;
    let is_outer = |c: char| c.is_whitespace() || "\u{200b}\u{2060}\u{feff}".contains(c);
    let (mut titles, mut descriptions, mut labels) = (0, 0, 0);
    for text in strings() {
        let [alice] = app.users();
        let task = pb::Task { description: text.clone(), ..titled("x") };
        if let Some(task) = created(&alice, task, "task.description").await {
            assert_eq!(task.description, text);
            let is_short = (1..=200).contains(&text.chars().count());
            assert!(!is_short || finds(&alice, &text, &task).await, "{text:?}");
            descriptions += 1;
        }
        let line = text.trim_matches(is_outer);
        if let Some(task) = created(&alice, titled(&text), "task.title").await {
            assert_eq!(task.title, line);
            assert!(finds(&alice, line, &task).await, "{text:?}");
            titles += 1;
        }
        let task = pb::Task { labels: vec![text.clone()], ..titled("x") };
        if let Some(task) = created(&alice, task, "task.labels").await {
            assert_eq!(task.labels, [line]);
            labels += 1;
        }
    }
    assert_eq!((titles, descriptions, labels), (493, 509, 345));
}
