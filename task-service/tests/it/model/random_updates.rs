//! UpdateTask against a model: random masks and bodies.

use proptest::{prelude::*, test_runner::TestRunner};
use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tokio::runtime;

use crate::support::{App, User};

/// Settable fields of a task.
#[derive(Clone, Debug, PartialEq)]
struct Model {
    title: String,
    description: String,
    is_complete: bool,
}

/// One update: the body's values and the mask's paths.
#[derive(Clone, Debug)]
struct Update {
    body: Model,
    paths: Vec<&'static str>,
}

impl Model {
    /// The values after an update, or its invalid fields.
    fn update(&self, Update { body, paths }: &Update) -> Result<Self, Vec<String>> {
        let settable = ["title", "description", "is_complete", "*"];
        let names = |path, is_populated| match paths.as_slice() {
            [] => is_populated,
            paths => paths.contains(&"*") || paths.contains(&path),
        };
        let (mut next, mut bad) = (self.clone(), Vec::new());
        if paths.len() > 1 && paths.contains(&"*") {
            bad.push("update_mask".to_owned());
        } else {
            let unknown = (0..paths.len()).filter(|&i| !settable.contains(&paths[i]));
            bad.extend(unknown.map(|i| format!("update_mask.paths[{i}]")));
        }
        if names("title", !body.title.is_empty()) {
            body.title.trim().clone_into(&mut next.title);
            let too_long = next.title.chars().count() > 200;
            if next.title.is_empty() || too_long || next.title.contains('\n') {
                bad.push("task.title".to_owned());
            }
        }
        if names("description", !body.description.is_empty()) {
            next.description.clone_from(&body.description);
            if next.description.contains('\0') {
                bad.push("task.description".to_owned());
            }
        }
        if names("is_complete", body.is_complete) {
            next.is_complete = body.is_complete;
        }
        if bad.is_empty() { Ok(next) } else { Err(bad) }
    }
}

fn updates() -> impl Strategy<Value = Vec<Update>> {
    let title = prop_oneof![
        8 => r"[ \p{Latin}\p{Greek}\p{Han}\p{Emoji}]{1,20}",
        1 => Just(String::new()),
        1 => Just("x".repeat(201)),
        1 => Just("a\nb".to_owned()),
    ];
    let description = prop_oneof![
        8 => r"[\PC\n\t]{0,20}",
        1 => Just(String::new()),
        1 => Just("a\0b".to_owned()),
    ];
    let path = prop_oneof![
        3 => Just("title"),
        3 => Just("description"),
        3 => Just("is_complete"),
        1 => Just("*"),
        1 => Just("id"),
    ];
    let body = (title, description, any::<bool>());
    let body = body.prop_map(|(title, description, is_complete)| Model {
        title,
        description,
        is_complete,
    });
    let update = (body, prop::collection::vec(path, 0..4));
    let update = update.prop_map(|(body, paths)| Update { body, paths });
    prop::collection::vec(update, 1..12)
}

/// Applies the updates to a new task and to the model. Compares every answer.
async fn check(alice: &User, updates: &[Update]) -> Result<(), TestCaseError> {
    let mut task = alice.create("first").await;
    let mut model = Model { title: "first".into(), description: String::new(), is_complete: false };
    for update in updates {
        let Model { title, description, is_complete } = update.body.clone();
        let body =
            pb::Task { id: task.id.clone(), title, description, is_complete, ..Default::default() };
        let answer = alice.try_update(body, &update.paths).await;
        match model.update(update) {
            Err(fields) => {
                let fields: Vec<_> = fields.iter().map(String::as_str).collect();
                prop_assert_eq!(refusal(answer), Refusal::invalid(&fields));
            }
            Ok(next) => {
                let stored = answer.expect("it is good").into_inner().task.expect("it is returned");
                let changed = next != model;
                prop_assert_eq!(stored.update_time != task.update_time, changed);
                prop_assert_eq!(stored.complete_time.is_some(), next.is_complete);
                if next.is_complete == model.is_complete {
                    prop_assert_eq!(stored.complete_time, task.complete_time);
                }
                (model, task) = (next, stored);
            }
        }
        let stored = alice.get(&task.id).await;
        prop_assert_eq!(&stored, &task);
        let pb::Task { title, description, is_complete, .. } = stored;
        prop_assert_eq!(&Model { title, description, is_complete }, &model);
    }
    Ok(())
}

#[test]
fn every_update_matches_the_model() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(App::start());
    let [alice] = runtime.block_on(async { app.users() });
    let config = ProptestConfig { cases: 32, failure_persistence: None, ..Default::default() };
    TestRunner::new(config)
        .run(&updates(), |updates| runtime.block_on(check(&alice, &updates)))
        .unwrap_or_else(|failure| panic!("{failure}"));
}
