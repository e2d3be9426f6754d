//! ListTasks: orders, and pages in each of them.

use std::{cmp::Ordering, collections::HashMap};

use proto::task::v1 as pb;
use test_support::{Refusal, refusal};
use tonic::Code;

use crate::support::{App, titled};

/// A due time as microseconds.
fn due(task: &pb::Task) -> Option<i64> {
    match task.due.as_ref()?.due.as_ref()? {
        pb::due::Due::Moment(moment) => moment.time.as_ref().map(micros),
        other => panic!("a seed has moments only, not {other:?}"),
    }
}

fn micros(time: &prost_types::Timestamp) -> i64 {
    time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000
}

/// How two tasks are ordered, by the words of the API.
fn compare(order_by: &str, one: &pb::Task, other: &pb::Task) -> Ordering {
    let mut ordering = Ordering::Equal;
    let mut is_descending = false;
    for part in order_by.split(',').map(str::trim) {
        let (field, descending) =
            part.strip_suffix(" desc").map_or((part, false), |field| (field, true));
        is_descending = descending;
        let turn = |ordering: Ordering| if descending { ordering.reverse() } else { ordering };
        let next = match field {
            "create_time" => turn(
                one.create_time.as_ref().map(micros).cmp(&other.create_time.as_ref().map(micros)),
            ),
            "update_time" => turn(
                one.update_time.as_ref().map(micros).cmp(&other.update_time.as_ref().map(micros)),
            ),
            "priority" => turn(one.priority.cmp(&other.priority)),
            "title" => turn(one.title.cmp(&other.title)),
            "due" => match (due(one), due(other)) {
                (Some(one), Some(other)) => turn(one.cmp(&other)),
                (one, other) => one.is_none().cmp(&other.is_none()),
            },
            field => panic!("there is no {field}"),
        };
        ordering = ordering.then(next);
    }
    let by_id = one.id.cmp(&other.id);
    ordering.then(if is_descending { by_id.reverse() } else { by_id })
}

const ORDERS: [&str; 14] = [
    "create_time",
    "create_time desc",
    "update_time",
    "update_time desc",
    "due",
    "due desc",
    "priority",
    "priority desc",
    "title",
    "title desc",
    "priority desc, due",
    "due desc, title",
    "title, due desc, create_time",
    "priority, due desc, title desc, update_time, create_time desc",
];

#[tokio::test]
async fn each_order_is_correct_on_pages_of_any_size() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 120).await;
    let mut all = alice.page(200, "").await.tasks;
    assert_eq!(all.len(), 120);
    for order_by in ORDERS {
        all.sort_by(|one, other| compare(order_by, one, other));
        let list = pb::ListTasksRequest { order_by: order_by.into(), ..Default::default() };
        for page_size in [1, 5, 16, 53, 100] {
            let walked = alice.walk(&list, page_size).await.concat();
            assert_eq!(walked, all, "{order_by}, pages of {page_size}");
        }
    }
}

#[tokio::test]
async fn every_page_matches_the_filter() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 200).await;
    let filter = pb::TaskFilter { priorities: vec![1, 3], ..Default::default() };
    for order_by in ORDERS {
        let list = pb::ListTasksRequest {
            filter: Some(filter.clone()),
            order_by: order_by.into(),
            ..Default::default()
        };
        let walked = alice.walk(&list, 7).await.concat();
        assert_eq!(walked.len(), 100, "{order_by}");
        assert!(walked.iter().all(|task| [1, 3].contains(&task.priority)), "{order_by}");
    }
}

#[tokio::test]
async fn unchanged_tasks_appear_once_in_each_order_while_others_change() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 150).await;
    let lasting = alice.page(200, "").await.tasks;
    let stirring = async {
        loop {
            let task = alice.create("task 3").await;
            let task = pb::Task { title: "task 0".into(), priority: 4, ..task };
            alice.update(task.clone(), &["title", "priority"]).await;
            alice.delete(&task.id).await;
        }
    };
    let walking = async {
        for order_by in ORDERS {
            let list = pb::ListTasksRequest { order_by: order_by.into(), ..Default::default() };
            for page_size in [5, 16] {
                let mut seen = HashMap::<_, usize>::new();
                for task in alice.walk(&list, page_size).await.concat() {
                    *seen.entry(task.id).or_default() += 1;
                }
                for task in &lasting {
                    assert_eq!(seen.get(&task.id), Some(&1), "{order_by}");
                }
            }
        }
    };
    tokio::select! { () = stirring => {}, () = walking => {} }
}

#[tokio::test]
async fn a_page_token_is_bound_to_its_list() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 30).await;
    let filter = |text: &str| {
        let text = text.to_owned();
        Some(pb::TaskFilter { text, ..Default::default() })
    };
    let list =
        pb::ListTasksRequest { page_size: 5, order_by: "title".into(), ..Default::default() };
    let page_token = alice.try_list(list.clone()).await.unwrap().into_inner().next_page_token;
    let list = pb::ListTasksRequest { page_token, ..list };
    for other in [
        pb::ListTasksRequest { order_by: String::new(), ..list.clone() },
        pb::ListTasksRequest { order_by: "title desc".into(), ..list.clone() },
        pb::ListTasksRequest { order_by: "title, due".into(), ..list.clone() },
        pb::ListTasksRequest { show_deleted: true, ..list.clone() },
        pb::ListTasksRequest { filter: filter("task"), ..list.clone() },
    ] {
        let refused = refusal(alice.try_list(other.clone()).await);
        let expected = Refusal::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID");
        assert_eq!(refused, expected, "{other:?}");
    }
    // The same list in other words.
    let same = pb::ListTasksRequest {
        order_by: "  title ".into(),
        filter: filter(""),
        page_size: 7,
        ..list
    };
    assert_eq!(alice.list(same).await.len(), 7);
}

#[tokio::test]
async fn an_invalid_order_is_rejected() {
    let app = App::start().await;
    let [alice] = app.users();
    for order_by in ["id", "title asc", "title,", "title, title desc", "title; --", "\0", "🧀"] {
        let list = pb::ListTasksRequest { order_by: order_by.into(), ..Default::default() };
        let refused = refusal(alice.try_list(list).await);
        assert_eq!(refused, Refusal::invalid(&["order_by"]), "{order_by}");
    }
}

#[tokio::test]
async fn titles_are_compared_by_code_points() {
    let app = App::start().await;
    let [alice] = app.users();
    for title in ["b", "a", "B", "ä", "🧀", "z", "A", "!"] {
        alice.try_create(titled(title)).await.unwrap();
    }
    let list = pb::ListTasksRequest { order_by: "title".into(), ..Default::default() };
    let titles: Vec<_> = alice.list(list).await.into_iter().map(|task| task.title).collect();
    assert_eq!(titles, ["!", "A", "B", "a", "b", "z", "ä", "🧀"]);
}
