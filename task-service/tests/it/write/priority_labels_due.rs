//! Priority, labels and due: valid values, invalid values, and clearing.

use proto::{
    google::r#type::{Date, DateTime, TimeZone, date_time::TimeOffset},
    task::v1 as pb,
};
use test_support::{Refusal, refusal};

use crate::support::{App, User, titled};

async fn created(alice: &User, task: pb::Task) -> pb::Task {
    let created = alice.try_create(task).await.expect("it is created").into_inner().task;
    let created = created.expect("it is returned");
    assert_eq!(alice.get(&created.id).await, created);
    created
}

fn all_day(year: i32, month: i32, day: i32) -> pb::Task {
    let due = pb::due::Due::Date(Date { year, month, day });
    pb::Task { due: Some(pb::Due { due: Some(due) }), ..titled("x") }
}

fn moment(seconds: i64, nanos: i32, time_zone: &str) -> pb::Task {
    let time = Some(prost_types::Timestamp { seconds, nanos });
    let due = pb::due::Due::Moment(pb::DueTime { time, time_zone: time_zone.into() });
    pb::Task { due: Some(pb::Due { due: Some(due) }), ..titled("x") }
}

fn floating(time: DateTime) -> pb::Task {
    pb::Task { due: Some(pb::Due { due: Some(pb::due::Due::Floating(time)) }), ..titled("x") }
}

const MORNING: DateTime = DateTime {
    year: 2026,
    month: 11,
    day: 28,
    hours: 9,
    minutes: 30,
    seconds: 0,
    nanos: 0,
    time_offset: None,
};

fn labelled(labels: &[&str]) -> pb::Task {
    pb::Task { labels: labels.iter().map(ToString::to_string).collect(), ..titled("x") }
}

const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

#[tokio::test]
async fn the_priority_defaults_to_medium() {
    let app = App::start().await;
    let [alice] = app.users();
    for (sent, kept) in [(0, 2), (1, 1), (2, 2), (3, 3), (4, 4)] {
        let task = created(&alice, pb::Task { priority: sent, ..titled("x") }).await;
        assert_eq!(task.priority, kept);
        let cleared = pb::Task { priority: 0, ..task };
        assert_eq!(alice.update(cleared, &["priority"]).await.priority, 2);
    }
}

#[tokio::test]
async fn labels_are_sorted_and_unique() {
    let app = App::start().await;
    let [alice] = app.users();
    let task =
        created(&alice, labelled(&["b", "ä", "B", "b", "🧀", " a", "a", "a,b\\\"{}'"])).await;
    assert_eq!(task.labels, ["B", "a", "a,b\\\"{}'", "b", "ä", "🧀"]);
    let task = pb::Task { etag: String::new(), ..task };
    let same = pb::Task { labels: vec!["c".into(), "c".into()], ..task.clone() };
    assert_eq!(alice.update(same, &["labels"]).await.labels, ["c"]);
    let cleared = pb::Task { labels: vec![], ..task };
    assert_eq!(alice.update(cleared, &["labels"]).await.labels, [""; 0]);
}

#[tokio::test]
async fn of_labels_that_differ_in_normalization_the_first_is_kept() {
    let app = App::start().await;
    let [alice] = app.users();
    let (composed, decomposed) = ("Käse", "Ka\u{308}se");
    for (first, second) in [(composed, decomposed), (decomposed, composed)] {
        assert_eq!(created(&alice, labelled(&[first, second])).await.labels, [first]);
    }
}

#[tokio::test]
async fn the_same_labels_in_another_order_change_nothing() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = created(&alice, labelled(&["a", "b"])).await;
    let shuffled = pb::Task { labels: vec!["b".into(), "a".into(), "a".into()], ..task.clone() };
    assert_eq!(alice.update(shuffled, &["labels"]).await, task);
}

#[tokio::test]
async fn a_due_date_is_all_day_and_a_moment_has_a_zone() {
    let app = App::start().await;
    let [alice] = app.users();
    for task in [
        all_day(1, 1, 1),
        all_day(2024, 2, 29),
        all_day(9999, 12, 31),
        moment(0, 0, "UTC"),
        moment(1_795_363_601, 123_456_000, "Europe/Berlin"),
        moment(-1, 999_999_000, "America/Argentina/Buenos_Aires"),
        moment(FIRST_SECOND, 0, "Asia/Kolkata"),
        moment(LAST_SECOND, 999_999_000, "US/Pacific"),
        floating(MORNING),
        floating(DateTime { year: 1, month: 1, day: 1, ..DateTime::default() }),
        floating(DateTime { hours: 23, minutes: 59, seconds: 59, nanos: 999_999_000, ..MORNING }),
    ] {
        let due = task.due.clone();
        assert_eq!(created(&alice, task).await.due, due);
    }
}

#[tokio::test]
async fn times_are_truncated_to_microseconds() {
    let app = App::start().await;
    let [alice] = app.users();
    for (sent, kept) in
        [(1, 0), (999, 0), (1_999, 1_000), (999_999_999, 999_999_000), (500_500, 500_000)]
    {
        let task = created(&alice, floating(DateTime { nanos: sent, ..MORNING })).await;
        assert_eq!(task.due, floating(DateTime { nanos: kept, ..MORNING }).due);
        for seconds in [7, -7, LAST_SECOND] {
            let task = created(&alice, moment(seconds, sent, "UTC")).await;
            assert_eq!(task.due, moment(seconds, kept, "UTC").due);
        }
    }
}

#[tokio::test]
async fn a_due_time_is_replaced_and_cleared() {
    let app = App::start().await;
    let [alice] = app.users();
    let task = pb::Task { etag: String::new(), ..created(&alice, all_day(2026, 11, 22)).await };
    let later = moment(1_795_363_601, 0, "Asia/Tokyo").due;
    let replaced = alice.update(pb::Task { due: later.clone(), ..task.clone() }, &["due"]).await;
    assert_eq!(replaced.due, later);
    // The same instant elsewhere is another due time.
    let elsewhere = moment(1_795_363_601, 0, "UTC").due;
    let moved = alice.update(pb::Task { due: elsewhere.clone(), ..task.clone() }, &[]).await;
    assert_eq!(moved.due, elsewhere);
    assert_ne!(moved.etag, replaced.etag);
    let untouched = alice.update(pb::Task { due: None, ..task.clone() }, &["title"]).await;
    assert_eq!(untouched.due, elsewhere);
    let cleared = alice.update(pb::Task { due: None, ..task }, &["due"]).await;
    assert_eq!(cleared.due, None);
}

#[tokio::test]
async fn the_zone_names_of_calendar_programs_are_stored_as_iana_names() {
    let app = App::start().await;
    let [alice] = app.users();
    for (sent, kept) in [
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("/mozilla.org/20050126_1/Asia/Tokyo", "Asia/Tokyo"),
    ] {
        assert_eq!(created(&alice, moment(7, 0, sent)).await.due, moment(7, 0, kept).due);
    }
}

#[tokio::test]
async fn a_violation_says_what_is_wrong() {
    let app = App::start().await;
    let [alice] = app.users();
    for (task, message) in [
        (
            pb::Task { due: Some(pb::Due { due: None }), ..titled("x") },
            "a date, a moment or a floating time",
        ),
        (moment(0, -1, "UTC"), "nanos between 0 and 999,999,999"),
        (moment(LAST_SECOND + 1, 0, "UTC"), "years 1 to 9999"),
        (moment(0, 0, "GMT-0800"), "Etc/GMT+8"),
        (labelled(&["a\u{202e}b"]), "U+202E"),
    ] {
        let status = alice.try_create(task).await.unwrap_err();
        assert!(status.message().contains(message), "{status:?}");
    }
}

#[tokio::test]
async fn every_invalid_value_is_rejected_by_name() {
    let app = App::start().await;
    let [alice] = app.users();
    let numbered: Vec<_> = (0..21).map(|n| n.to_string()).collect();
    let numbered: Vec<_> = numbered.iter().map(String::as_str).collect();
    let wall_clock = "task.due.floating";
    let (date, time, zone) = ("task.due.date", "task.due.moment.time", "task.due.moment.time_zone");
    for (task, fields) in [
        (pb::Task { priority: 5, ..titled("x") }, &["task.priority"][..]),
        (pb::Task { priority: -1, ..titled("x") }, &["task.priority"]),
        (labelled(&numbered), &["task.labels"]),
        (labelled(&[""]), &["task.labels"]),
        (labelled(&["a\nb"]), &["task.labels"]),
        (labelled(&["a\u{1f}b"]), &["task.labels"]),
        (labelled(&["\0"]), &["task.labels"]),
        (labelled(&[&"x".repeat(51)]), &["task.labels"]),
        (pb::Task { due: Some(pb::Due { due: None }), ..titled("x") }, &["task.due"]),
        (all_day(0, 1, 1), &[date]),
        (all_day(2026, 2, 29), &[date]),
        (all_day(2026, 1, 0), &[date]),
        (all_day(10_000, 1, 1), &[date]),
        (moment(FIRST_SECOND - 1, 0, "UTC"), &[time]),
        (moment(LAST_SECOND + 1, 0, "UTC"), &[time]),
        (moment(i64::MAX, 0, "UTC"), &[time]),
        (moment(i64::MIN, 0, "UTC"), &[time]),
        (moment(0, -1, "UTC"), &[time]),
        (moment(0, 1_000_000_000, "UTC"), &[time]),
        (floating(DateTime { hours: 24, ..MORNING }), &[wall_clock]),
        (floating(DateTime { seconds: 60, ..MORNING }), &[wall_clock]),
        (floating(DateTime { nanos: -1, ..MORNING }), &[wall_clock]),
        (floating(DateTime { year: 0, ..MORNING }), &[wall_clock]),
        (
            floating(DateTime {
                time_offset: Some(TimeOffset::TimeZone(TimeZone::default())),
                ..MORNING
            }),
            &["task.due.floating.time_zone"],
        ),
        (moment(0, 0, ""), &[zone]),
        (moment(0, 0, "Mars/Olympus"), &[zone]),
        (moment(0, 0, "+02:00"), &[zone]),
        (moment(0, 0, "europe/berlin"), &[zone]),
        (moment(i64::MAX, 0, "UTC\0"), &[time, zone]),
        (
            pb::Task { title: String::new(), priority: 9, ..labelled(&[""]) },
            &["task.title", "task.priority", "task.labels"],
        ),
    ] {
        let case = format!("{task:?}");
        let refused = refusal(alice.try_create(task.clone()).await);
        assert_eq!(refused, Refusal::invalid(fields), "{case}");
        let existing = alice.create("before").await;
        let update = pb::Task { id: existing.id.clone(), ..task };
        let refused = refusal(alice.try_update(update, &["*"]).await);
        assert_eq!(refused, Refusal::invalid(fields), "{case}");
        assert_eq!(alice.get(&existing.id).await, existing);
    }
}

#[tokio::test]
async fn a_long_name_of_a_time_zone_costs_nothing() {
    let app = App::start().await;
    let [alice] = app.users();
    let begun = std::time::Instant::now();
    let time = Some(prost_types::Timestamp::default());
    let moment = pb::DueTime { time, time_zone: "/".repeat(200_000) };
    let due = pb::Due { due: Some(pb::due::Due::Moment(moment)) };
    let refused = alice.try_create(pb::Task { due: Some(due), ..titled("x") }).await;
    assert_eq!(refusal(refused), Refusal::invalid(&["task.due.moment.time_zone"]));
    assert!(begun.elapsed() < std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
}
