//! ListTasks: which tasks a filter shows.

use proto::{
    google::r#type::{Date, DateTime},
    task::v1 as pb,
};
use test_support::{Refusal, refusal};

use crate::support::{App, User, titled};

fn at(seconds: i64) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos: 0 }
}

/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;

fn at_nanos(seconds: i64, nanos: i32) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds, nanos }
}

fn due_at(seconds: i64) -> pb::Due {
    let moment = pb::DueTime { time: Some(at(seconds)), time_zone: "UTC".into() };
    pb::Due { due: Some(pb::due::Due::Moment(moment)) }
}

fn due_on(year: i32, month: i32, day: i32) -> pb::Due {
    pb::Due { due: Some(pb::due::Due::Date(Date { year, month, day })) }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// The titles of what this filter shows, in alphabetical order.
async fn shown(alice: &User, filter: pb::TaskFilter) -> Vec<String> {
    let list = pb::ListTasksRequest {
        filter: Some(filter),
        order_by: "title".into(),
        ..Default::default()
    };
    alice.list(list).await.into_iter().map(|task| task.title).collect()
}

async fn create_all(alice: &User, tasks: Vec<pb::Task>) {
    for task in tasks {
        alice.try_create(task).await.expect("it is created");
    }
}

#[tokio::test]
async fn by_completion_labels_and_priorities() {
    let app = App::start().await;
    let [alice] = app.users();
    create_all(
        &alice,
        vec![
            pb::Task { is_complete: true, labels: words(&["home", "x"]), ..titled("a") },
            pb::Task { labels: words(&["home"]), priority: 4, ..titled("b") },
            pb::Task { labels: words(&["Home"]), priority: 1, ..titled("c") },
            titled("d"),
        ],
    )
    .await;
    let filter = pb::TaskFilter::default;
    for (filter, expected) in [
        (filter(), &["a", "b", "c", "d"][..]),
        (pb::TaskFilter { is_complete: Some(true), ..filter() }, &["a"]),
        (pb::TaskFilter { is_complete: Some(false), ..filter() }, &["b", "c", "d"]),
        (pb::TaskFilter { labels: words(&["home"]), ..filter() }, &["a", "b"]),
        (pb::TaskFilter { labels: words(&["x", "home"]), ..filter() }, &["a"]),
        (pb::TaskFilter { labels: words(&["hom"]), ..filter() }, &[]),
        (pb::TaskFilter { priorities: vec![4, 1, 4], ..filter() }, &["b", "c"]),
        (pb::TaskFilter { priorities: vec![2], ..filter() }, &["a", "d"]),
        (pb::TaskFilter { priorities: vec![3], ..filter() }, &[]),
        (pb::TaskFilter { labels: words(&["home"]), priorities: vec![4], ..filter() }, &["b"]),
    ] {
        let case = format!("{filter:?}");
        assert_eq!(shown(&alice, filter).await, expected, "{case}");
    }
}

#[tokio::test]
async fn by_due_time() {
    let app = App::start().await;
    let [alice] = app.users();
    // 2026-11-22 begins at 1,795,305,600.
    let day = 1_795_305_600;
    create_all(
        &alice,
        vec![
            pb::Task { due: Some(due_on(2026, 11, 22)), ..titled("all day") },
            pb::Task { due: Some(due_at(day - 1)), ..titled("before") },
            pb::Task { due: Some(due_at(day + 3600)), ..titled("in it") },
            pb::Task { due: Some(due_at(day + 86_400)), ..titled("next day") },
            titled("whenever"),
        ],
    )
    .await;
    let filter = pb::TaskFilter::default;
    for (filter, expected) in [
        (
            pb::TaskFilter {
                due_after: Some(at(day)),
                due_before: Some(at(day + 86_400)),
                ..filter()
            },
            &["all day", "in it"][..],
        ),
        (pb::TaskFilter { due_before: Some(at(day)), ..filter() }, &["before"]),
        (pb::TaskFilter { due_after: Some(at(day + 86_400)), ..filter() }, &["next day"]),
        (
            pb::TaskFilter { has_due: Some(true), ..filter() },
            &["all day", "before", "in it", "next day"],
        ),
        (pb::TaskFilter { has_due: Some(false), ..filter() }, &["whenever"]),
        (pb::TaskFilter { has_due: Some(false), due_after: Some(at(0)), ..filter() }, &[]),
        (pb::TaskFilter { due_before: Some(at(day)), due_after: Some(at(day)), ..filter() }, &[]),
        // Bounds between two microseconds.
        (pb::TaskFilter { due_before: Some(at_nanos(day - 1, 1)), ..filter() }, &["before"]),
        (pb::TaskFilter { due_after: Some(at_nanos(day + 86_400, 1)), ..filter() }, &[]),
        (pb::TaskFilter { due_after: Some(at_nanos(day + 86_400, 999)), ..filter() }, &[]),
        (
            pb::TaskFilter { due_after: Some(at_nanos(day + 86_399, 999_999_001)), ..filter() },
            &["next day"],
        ),
        (pb::TaskFilter { due_after: Some(at_nanos(LAST_SECOND, 999_999_999)), ..filter() }, &[]),
        (
            pb::TaskFilter {
                update_time_after: Some(at_nanos(LAST_SECOND, 999_999_999)),
                ..filter()
            },
            &[],
        ),
    ] {
        let case = format!("{filter:?}");
        assert_eq!(shown(&alice, filter).await, expected, "{case}");
    }
}

fn floating(day: i32, hours: i32) -> pb::Due {
    let time = DateTime { year: 2026, month: 11, day, hours, ..Default::default() };
    pb::Due { due: Some(pb::due::Due::Floating(time)) }
}

#[tokio::test]
async fn by_the_day_of_the_user() {
    let app = App::start().await;
    let [alice] = app.users();
    // 2026-11-28 begins at 1,795,824,000 in UTC.
    let (day, hour) = (1_795_824_000, 3_600);
    create_all(
        &alice,
        vec![
            pb::Task { due: Some(due_on(2026, 11, 27)), ..titled("all day 27") },
            pb::Task { due: Some(due_on(2026, 11, 28)), ..titled("all day 28") },
            pb::Task { due: Some(due_on(2026, 11, 29)), ..titled("all day 29") },
            pb::Task { due: Some(floating(27, 23)), ..titled("floating 27") },
            pb::Task { due: Some(floating(28, 0)), ..titled("floating 28, 0:00") },
            pb::Task { due: Some(floating(28, 23)), ..titled("floating 28, 23:00") },
            pb::Task { due: Some(floating(29, 0)), ..titled("floating 29") },
            pb::Task { due: Some(due_at(day + 8 * hour)), ..titled("moment 8:00") },
            pb::Task { due: Some(due_at(day + 32 * hour - 1)), ..titled("moment next 7:59") },
            pb::Task { due: Some(due_at(day - 9 * hour)), ..titled("moment previous 15:00") },
            titled("whenever"),
        ],
    )
    .await;
    let of_day = ["all day 28", "floating 28, 0:00", "floating 28, 23:00"];
    for (zone, begin, moments) in [
        ("America/Los_Angeles", day + 8 * hour, &["moment 8:00", "moment next 7:59"][..]),
        ("Pacific Standard Time", day + 8 * hour, &["moment 8:00", "moment next 7:59"]),
        ("Asia/Tokyo", day - 9 * hour, &["moment 8:00", "moment previous 15:00"]),
        ("UTC", day, &["moment 8:00"]),
        ("", day, &["moment 8:00"]),
    ] {
        let filter = pb::TaskFilter {
            due_after: Some(at(begin)),
            due_before: Some(at(begin + 24 * hour)),
            time_zone: zone.into(),
            ..Default::default()
        };
        assert_eq!(shown(&alice, filter).await, [&of_day, moments].concat(), "{zone}");
    }
    let filter = pb::TaskFilter { time_zone: "Mars/Olympus".into(), ..Default::default() };
    let list = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
    assert_eq!(refusal(alice.try_list(list).await), Refusal::invalid(&["filter.time_zone"]));
}

#[tokio::test]
async fn by_labels_in_any_normalization() {
    let app = App::start().await;
    let [alice] = app.users();
    let (composed, decomposed) = ("Käse", "Ka\u{308}se");
    create_all(
        &alice,
        vec![
            pb::Task { labels: words(&[composed, "x"]), ..titled("composed") },
            pb::Task { labels: words(&[decomposed]), ..titled("decomposed") },
            pb::Task { labels: words(&["Kase"]), ..titled("other") },
        ],
    )
    .await;
    for label in [composed, decomposed, " Käse "] {
        let filter = pb::TaskFilter { labels: words(&[label]), ..Default::default() };
        assert_eq!(shown(&alice, filter).await, ["composed", "decomposed"], "{label}");
    }
    let filter = pb::TaskFilter { labels: words(&["x", decomposed]), ..Default::default() };
    assert_eq!(shown(&alice, filter).await, ["composed"]);
}

#[tokio::test]
async fn by_the_time_of_the_last_change() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.create("a").await;
    let task = alice.create("b").await;
    let changed = alice.update(pb::Task { title: "c".into(), ..task }, &["title"]).await;
    let filter = |time| pb::TaskFilter { update_time_after: time, ..Default::default() };
    assert_eq!(shown(&alice, filter(changed.update_time)).await, ["c"]);
    let later = changed
        .update_time
        .map(|time| prost_types::Timestamp { seconds: time.seconds + 1, ..time });
    assert_eq!(shown(&alice, filter(later)).await, [""; 0]);
    assert_eq!(shown(&alice, filter(Some(at(0)))).await, ["a", "c"]);
}

#[tokio::test]
async fn by_text_case_insensitively_and_literally() {
    let app = App::start().await;
    let [alice] = app.users();
    let described =
        |title, description: &str| pb::Task { description: description.into(), ..titled(title) };
    create_all(
        &alice,
        vec![
            titled("Käse kaufen"),
            described("b", "line one\nCHEESE 🧀"),
            titled("100% _done_"),
            titled("ΟΔΥΣΣΕΥΣ"),
            titled("Straße"),
        ],
    )
    .await;
    for (text, expected) in [
        ("käse", &["Käse kaufen"][..]),
        ("KÄSE KAUFEN", &["Käse kaufen"]),
        ("cheese", &["b"]),
        ("one\nch", &["b"]),
        ("🧀", &["b"]),
        ("0%", &["100% _done_"]),
        ("%", &["100% _done_"]),
        ("_", &["100% _done_"]),
        ("\\", &[]),
        ("k_se", &[]),
        ("οδυσσευς", &["ΟΔΥΣΣΕΥΣ"]),
        ("STRASSE", &["Straße"]),
        ("'; drop table task.tasks; --", &[]),
        (" ", &["100% _done_", "Käse kaufen", "b"]),
    ] {
        let filter = pb::TaskFilter { text: text.into(), ..Default::default() };
        assert_eq!(shown(&alice, filter).await, expected, "{text}");
    }
}

#[tokio::test]
async fn by_text_in_any_case_and_normalization() {
    let app = App::start().await;
    let [alice] = app.users();
    for (title, text) in [
        ("Cafe\u{301} man\u{303}ana", "CAFÉ MAÑANA"),
        ("Häuser", "HA\u{308}USER"),
        ("각", "\u{1100}\u{1161}\u{11a8}"),
        ("ᏣᎳᎩ", "ꮳꮃꭹ"),
        ("ᾼδης", "\u{391}\u{345}ΔΗΣ"),
        ("ǰ", "J\u{30c}"),
    ] {
        let created = alice.create(title).await;
        assert_eq!(created.title, title);
        for text in [text, title, &text.to_lowercase()] {
            let filter = pb::TaskFilter { text: text.into(), ..Default::default() };
            assert_eq!(shown(&alice, filter).await, [title], "{text}");
        }
    }
    let filter = pb::TaskFilter { text: "cafe".into(), ..Default::default() };
    assert_eq!(shown(&alice, filter).await, [""; 0]);
}

#[tokio::test]
async fn a_search_finds_the_updated_text() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { etag: String::new(), ..alice.create("before").await };
    let update = pb::Task { description: "AFTER".into(), ..task.clone() };
    alice.update(update, &["description"]).await;
    let search = |text: &str| pb::TaskFilter { text: text.into(), ..Default::default() };
    assert_eq!(shown(&alice, search("after")).await, ["before"]);
    assert_eq!(shown(&alice, search("BEFORE")).await, ["before"]);
    alice.update(pb::Task { description: String::new(), ..task }, &["description"]).await;
    assert_eq!(shown(&alice, search("after")).await, [""; 0]);
}

#[tokio::test]
async fn no_search_text_is_slow() {
    let app = App::start().await;
    let [alice] = app.users();
    alice.seed(&app.database, 2_000).await;
    let long = "update task.tasks set description_folded = repeat('a', 10000)";
    app.database.execute(long).await;
    let (few, many) = ("a".repeat(100), "a".repeat(199));
    for text in [format!("b{many}"), format!("{few}b{}", "a".repeat(99)), format!("{many}b")] {
        let begun = std::time::Instant::now();
        let filter = pb::TaskFilter { text, ..Default::default() };
        assert_eq!(shown(&alice, filter).await, [""; 0]);
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn every_invalid_condition_is_named() {
    let app = App::start().await;
    let [alice] = app.users();
    let far = Some(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 });
    let filter = pb::TaskFilter {
        labels: words(&[""]),
        priorities: vec![0],
        due_before: far,
        due_after: far,
        update_time_after: far,
        text: "a\0b".into(),
        ..Default::default()
    };
    let list = pb::ListTasksRequest {
        filter: Some(filter),
        order_by: "owner".into(),
        page_size: -1,
        ..Default::default()
    };
    let expected = Refusal::invalid(&[
        "page_size",
        "order_by",
        "filter.due_before",
        "filter.due_after",
        "filter.update_time_after",
        "filter.labels",
        "filter.priorities",
        "filter.text",
    ]);
    assert_eq!(refusal(alice.try_list(list).await), expected);
    for filter in [
        pb::TaskFilter { priorities: vec![5], ..Default::default() },
        pb::TaskFilter { priorities: vec![1, -1], ..Default::default() },
    ] {
        let list = pb::ListTasksRequest { filter: Some(filter), ..Default::default() };
        let refused = refusal(alice.try_list(list).await);
        assert_eq!(refused, Refusal::invalid(&["filter.priorities"]));
    }
    let long = pb::TaskFilter { text: "x".repeat(201), ..Default::default() };
    let list = pb::ListTasksRequest { filter: Some(long), ..Default::default() };
    assert_eq!(refusal(alice.try_list(list).await), Refusal::invalid(&["filter.text"]));
}
