//! UpdateTask: which fields a mask sets, clears and keeps.

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};

use crate::support::{App, User};

/// A complete task with odd bytes in it.
async fn stored(alice: &User) -> pb::Task {
    let task = pb::Task {
        title: "e\u{301} 🧀".into(),
        description: "\tone\n\n".into(),
        is_complete: true,
        ..Default::default()
    };
    let created = alice.try_create(task).await.expect("it is created");
    created.into_inner().task.expect("it is returned")
}

/// What a client sends: the id and these values.
fn body(id: &str, title: &str, description: &str, is_complete: bool) -> pb::Task {
    let (id, title, description) = (id.into(), title.into(), description.into());
    pb::Task { id, title, description, is_complete, ..Default::default() }
}

/// Three of the settable fields.
fn values(task: &pb::Task) -> (&str, &str, bool) {
    (&task.title, &task.description, task.is_complete)
}

#[tokio::test]
async fn a_mask_names_the_fields_to_set_and_to_clear() {
    let app = App::start().await;
    let [alice] = app.users();
    let (old_title, old_text) = ("e\u{301} 🧀", "\tone\n\n");
    for (mask, (title, description, is_complete), expected) in [
        // Without a mask, the populated fields are set.
        (&[][..], ("new", "", false), ("new", old_text, true)),
        (&[], ("", "new", false), (old_title, "new", true)),
        (&[], ("", "", true), (old_title, old_text, true)),
        (&[], ("", "", false), (old_title, old_text, true)),
        // The named fields are set, and no others change.
        (&["title"], ("new", "not this", false), ("new", old_text, true)),
        (&["description"], ("not this", "new", false), (old_title, "new", true)),
        (&["is_complete"], ("not this", "nor this", false), (old_title, old_text, false)),
        (&["title", "description"], ("new", "too", false), ("new", "too", true)),
        // The other fields of the body can be invalid.
        (&["description"], ("\0", "new", false), (old_title, "new", true)),
        (&["title"], ("new", "\0", false), ("new", old_text, true)),
        // A named field that is absent from the body is cleared.
        (&["description"], ("", "", true), (old_title, "", true)),
        (&["is_complete"], ("", "", false), (old_title, old_text, false)),
        (&["*"], ("new", "", false), ("new", "", false)),
        (&["*"], ("new", "too", true), ("new", "too", true)),
        // A path can occur twice.
        (&["title", "title"], ("new", "not this", false), ("new", old_text, true)),
        (&["title"; 32], ("new", "not this", false), ("new", old_text, true)),
    ] {
        let id = stored(&alice).await.id;
        let updated = alice.update(body(&id, title, description, is_complete), mask).await;
        assert_eq!(values(&updated), expected, "{mask:?} {title:?} {description:?}");
        assert_eq!(alice.get(&id).await, updated);
    }
}

#[tokio::test]
async fn a_title_cannot_be_cleared() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = stored(&alice).await;
    for mask in [&["title"][..], &["*"], &["description", "title"]] {
        let answer = alice.try_update(body(&task.id, "", "new", false), mask).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["task.title"]), "{mask:?}");
    }
    assert_eq!(alice.get(&task.id).await, task);
}

#[tokio::test]
async fn a_path_of_no_settable_field_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = stored(&alice).await;
    let too_many = ["title"; 33];
    for mask in [&["*", "title"][..], &["title", "*"], &["*", "*"], &["*", "unknown"], &too_many] {
        let answer = alice.try_update(body(&task.id, "new", "new", false), mask).await;
        assert_eq!(refusal(answer), Refusal::invalid(&["update_mask"]), "{mask:?}");
    }
    for mask in [
        &["unknown"][..],
        &["title", "unknown"],
        &["id"],
        &["create_time"],
        &["update_time"],
        &["complete_time"],
        &["create_time.seconds"],
        &["etag"],
        &["owner_id"],
        &["task.title"],
        &["title.x"],
        &["isComplete"],
        &["Title"],
        &[" title"],
        &["title,description"],
        &[""],
        &["title", "", "due", "update_mask"],
        &["title\0"],
    ] {
        let answer = alice.try_update(body(&task.id, "new", "new", false), mask).await;
        let settable = ["title", "due"];
        let unknown = (0..mask.len()).filter(|&i| !settable.contains(&mask[i]));
        let unknown: Vec<_> = unknown.map(|i| format!("update_mask.paths[{i}]")).collect();
        let unknown: Vec<_> = unknown.iter().map(String::as_str).collect();
        assert_eq!(refusal(answer), Refusal::invalid(&unknown), "{mask:?}");
    }
    assert_eq!(alice.get(&task.id).await, task);
}

#[tokio::test]
async fn output_only_fields_in_the_body_are_ignored() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = stored(&alice).await;
    let long_ago = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let (create_time, update_time, complete_time) = (long_ago, long_ago, long_ago);
    let times = pb::Task { create_time, update_time, complete_time, ..task.clone() };
    for mask in [&[][..], &["*"]] {
        assert_eq!(alice.update(times.clone(), mask).await, task, "{mask:?}");
    }
}
