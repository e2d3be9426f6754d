//! Etags: a change with a stale etag is rejected.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{App, titled};

fn mismatch(current: &pb::Task) -> Refusal {
    Refusal::new(Code::Aborted, "ETAG_MISMATCH").with("etag", &current.etag)
}

#[tokio::test]
async fn every_change_and_only_a_change_gives_a_new_etag() {
    let app = App::start().await;
    let [alice] = app.users();
    let mut last = alice.create("0").await;
    let mut seen = vec![last.etag.clone()];
    for title in ["1", "2", "2", "3"] {
        let changes = title != last.title;
        let next = alice.update(pb::Task { title: title.into(), ..last.clone() }, &["title"]).await;
        assert_eq!(!seen.contains(&next.etag), changes);
        seen.push(next.etag.clone());
        last = next;
    }
    for changed in [alice.delete(&last.id).await, alice.undelete(&last.id).await] {
        assert!(!seen.contains(&changed.etag));
        seen.push(changed.etag);
    }
}

#[tokio::test]
async fn a_stale_etag_is_rejected_with_the_current_one() {
    let app = App::start().await;
    let [alice] = app.users();
    let old = alice.create("old").await;
    let new = alice.update(pb::Task { title: "new".into(), ..old.clone() }, &["title"]).await;
    for etag in [old.etag.as_str(), "garbage", "🧀", "AAAAAAAAAAA", &"x".repeat(10_000)] {
        let change = pb::Task { title: "lost".into(), etag: etag.into(), ..old.clone() };
        for mask in [&["title"][..], &["*"], &[]] {
            assert_eq!(refusal(alice.try_update(change.clone(), mask).await), mismatch(&new));
        }
        assert_eq!(refusal(alice.try_delete(&old.id, etag).await), mismatch(&new));
    }
    // Even if the change would change nothing.
    let same = pb::Task { etag: old.etag.clone(), ..new.clone() };
    assert_eq!(refusal(alice.try_update(same, &["*"]).await), mismatch(&new));
    assert_eq!(alice.get(&old.id).await, new);
    assert!(alice.try_delete(&old.id, &new.etag).await.is_ok());
}

#[tokio::test]
async fn an_etag_in_a_form_of_http_is_an_invalid_field() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("x").await;
    for etag in ["*".to_owned(), format!("\"{}\"", task.etag), format!("W/\"{}\"", task.etag)] {
        let change = pb::Task { title: "y".into(), etag: etag.clone(), ..task.clone() };
        let answer = alice.try_update(change, &["title"]).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["task.etag"]), "{etag}");
        let answer = alice.try_delete(&task.id, &etag).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["etag"]), "{etag}");
    }
    assert_eq!(alice.get(&task.id).await, task);
}

#[tokio::test]
async fn without_an_etag_the_last_update_wins() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = alice.create("0").await;
    for title in ["1", "2"] {
        let change = pb::Task { id: task.id.clone(), ..titled(title) };
        alice.update(change, &["title"]).await;
    }
    assert_eq!(alice.get(&task.id).await.title, "2");
}

#[tokio::test]
async fn of_many_updates_with_one_etag_exactly_one_wins() {
    let app = App::start().await;
    let [alice] = app.users();
    for _ in 0..10 {
        let task = alice.create("x").await;
        let updates = (0..20).map(|n| {
            let change = pb::Task { title: format!("by {n}"), ..task.clone() };
            let alice = alice.clone();
            async move { alice.try_update(change, &["title"]).await }
        });
        let answers = updates.collect::<JoinSet<_>>().join_all().await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        let stored = alice.get(&task.id).await;
        assert_eq!(won.into_iter().next().unwrap().unwrap().into_inner().task.unwrap(), stored);
        for answer in lost {
            assert_eq!(refusal(answer), mismatch(&stored));
        }
    }
}

#[tokio::test]
async fn read_modify_write_with_etags_loses_no_increment() {
    let app = App::start().await;
    let [alice] = app.users();
    let id = alice.create("0").await.id;
    let writers = (0..8).map(|_| {
        let (alice, id) = (alice.clone(), id.clone());
        async move {
            for _ in 0..10 {
                loop {
                    let task = alice.get(&id).await;
                    let next = task.title.parse::<u32>().unwrap() + 1;
                    let change = pb::Task { title: next.to_string(), ..task };
                    match alice.try_update(change, &["title"]).await {
                        Ok(_) => break,
                        Err(status) => assert_eq!(status.code(), Code::Aborted),
                    }
                }
            }
        }
    });
    writers.collect::<JoinSet<_>>().join_all().await;
    assert_eq!(alice.get(&id).await.title, "80");
}

#[tokio::test]
async fn concurrent_updates_of_different_fields_are_all_kept() {
    let app = App::start().await;
    let [alice] = app.users();
    for _ in 0..20 {
        let id = alice.create("x").await.id;
        let task = pb::Task {
            id: id.clone(),
            title: "y".into(),
            description: "d".into(),
            is_complete: true,
            priority: 4,
            labels: vec!["l".into()],
            ..Default::default()
        };
        let updates = ["title", "description", "is_complete", "priority", "labels"].map(|path| {
            let (alice, task) = (alice.clone(), task.clone());
            async move { alice.update(task, &[path]).await }
        });
        updates.into_iter().collect::<JoinSet<_>>().join_all().await;
        let stored = alice.get(&id).await;
        assert_eq!((&*stored.title, &*stored.description), ("y", "d"));
        assert_eq!((stored.is_complete, stored.priority), (true, 4));
        assert_eq!(stored.labels, ["l"]);
    }
}
