//! Converts tasks from and to messages.

use aws_lc_rs::digest;
use chrono::{
    DateTime, Datelike as _, NaiveDateTime, SubsecRound as _, TimeDelta, Timelike as _, Utc,
};
use prost::Message as _;
use proto::{
    google::r#type::{self as google, date_time::TimeOffset},
    task::v1 as pb,
};
use shared::{
    error::{FieldViolations, Invalid},
    time,
};
use uuid::Uuid;

use crate::domain::{
    creation::{NewTask, RequestKey},
    due::{self, Due, TimeZone},
    label::Labels,
    priority::Priority,
    task::{Fields, Task},
    text,
};

/// Parses the fields that a client sets. Output-only fields are ignored.
pub(super) fn parse_fields(task: pb::Task) -> Result<Fields, FieldViolations> {
    let mut bad = FieldViolations::new();
    let title = bad.check("title", text::Title::parse(&task.title));
    let description = bad.check("description", text::Description::parse(task.description));
    let priority = bad.check("priority", parse_priority(task.priority));
    let labels = bad.check("labels", Labels::parse(&task.labels));
    let due = task.due.and_then(|due| bad.check_message("due", parse_due(due)));
    let is_complete = task.is_complete;
    let all = || {
        Some(Fields {
            title: title?,
            description: description?,
            is_complete,
            priority: priority?,
            labels: labels?,
            due,
        })
    };
    bad.or(all())
}

/// Parses a task to create. Only with `keep_times` it brings its own times.
pub(super) fn parse_new(task: pb::Task, keep_times: bool) -> Result<NewTask, FieldViolations> {
    let times = [task.create_time, task.complete_time].map(|time| time.filter(|_| keep_times));
    let mut bad = FieldViolations::new();
    let mut parse = |field, time: Option<prost_types::Timestamp>| {
        bad.check(field, time.map(parse_past).transpose()).flatten()
    };
    let create_time = parse("create_time", times[0]);
    let complete_time = parse("complete_time", times[1]);
    if complete_time.is_some() && !task.is_complete {
        let rule = "must not be set, since the task is not complete";
        bad.check::<()>("complete_time", Err(rule.into()));
    }
    let fields = bad.check_message("", parse_fields(task));
    bad.or(fields.map(|fields| NewTask { fields, create_time, complete_time }))
}

/// Parses a time of a task that another system has created. The future is not known here.
fn parse_past(time: prost_types::Timestamp) -> Result<DateTime<Utc>, Invalid> {
    let time = parse_time(time)?;
    let is_late_enough = time >= DateTime::UNIX_EPOCH;
    is_late_enough.then_some(time).ok_or_else(|| "must not be before 1970".into())
}

/// Recognizes a retry by all that the request sets, and by nothing that was ignored.
pub(super) fn request_key(method: &'static str, id: Uuid, tasks: &[NewTask]) -> RequestKey {
    let mut hash = digest::Context::new(&digest::SHA256);
    for NewTask { fields, create_time, complete_time } in tasks {
        let task = pb::Task {
            create_time: create_time.map(time::timestamp),
            complete_time: complete_time.map(time::timestamp),
            ..with_fields(fields.clone())
        };
        hash.update(&task.encode_length_delimited_to_vec());
    }
    let fingerprint = hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
    RequestKey { method, id, fingerprint }
}

/// Parses a priority. PRIORITY_UNSPECIFIED means the default.
pub(super) fn parse_priority(number: i32) -> Result<Priority, Invalid> {
    match pb::Priority::try_from(number) {
        Ok(pb::Priority::Unspecified) => Ok(Priority::default()),
        Ok(pb::Priority::Low) => Ok(Priority::Low),
        Ok(pb::Priority::Medium) => Ok(Priority::Medium),
        Ok(pb::Priority::High) => Ok(Priority::High),
        Ok(pb::Priority::Urgent) => Ok(Priority::Urgent),
        Err(_) => Err("must be a known priority".into()),
    }
}

/// Parses a due date, moment or floating time.
pub(super) fn parse_due(due: pb::Due) -> Result<Due, FieldViolations> {
    let mut bad = FieldViolations::new();
    match due.due {
        None => {
            bad.check::<()>("", Err("must have a date, a moment or a floating time".into()));
            Err(bad)
        }
        Some(pb::due::Due::Date(google::Date { year, month, day })) => {
            let date = bad.check("date", due::parse_date(year, month, day));
            date.map(Due::Date).ok_or(bad)
        }
        Some(pb::due::Due::Moment(pb::DueTime { time, time_zone })) => {
            let time = time.ok_or_else(|| "must be set".into()).and_then(parse_time);
            let time = bad.check("moment.time", time);
            let zone = bad.check("moment.time_zone", TimeZone::parse(&time_zone));
            bad.or(time.zip(zone).map(|(time, zone)| Due::Moment { time, zone }))
        }
        Some(pb::due::Due::Floating(time)) => {
            bad.check_message("floating", parse_floating(&time)).map(Due::Floating).ok_or(bad)
        }
    }
}

/// Parses a wall-clock time.
fn parse_floating(time: &google::DateTime) -> Result<NaiveDateTime, FieldViolations> {
    let mut bad = FieldViolations::new();
    let date = bad.check("", due::parse_date(time.year, time.month, time.day));
    let of_day = due::parse_time_of_day(time.hours, time.minutes, time.seconds, time.nanos);
    let of_day = bad.check("", of_day);
    let offset = time.time_offset.as_ref().map(|offset| match offset {
        TimeOffset::UtcOffset(_) => "utc_offset",
        TimeOffset::TimeZone(_) => "time_zone",
    });
    if let Some(field) = offset {
        bad.check::<()>(field, Err("must not be set: a time in a time zone is a moment".into()));
    }
    bad.or(date.zip(of_day).map(|(date, of_day)| date.and_time(of_day)))
}

/// Parses a time, years 1 to 9999, truncated to microseconds.
fn parse_time(time: prost_types::Timestamp) -> Result<DateTime<Utc>, Invalid> {
    Ok(exact_time(time)?.trunc_subsecs(6))
}

/// Parses a bound of times, rounded up to microseconds. Stored times are whole microseconds, so
/// each is before the rounded bound exactly if it is before the bound itself.
pub(super) fn parse_bound(time: prost_types::Timestamp) -> Result<DateTime<Utc>, Invalid> {
    let time = exact_time(time)?;
    let truncated = time.trunc_subsecs(6);
    Ok(if truncated < time { truncated + TimeDelta::microseconds(1) } else { time })
}

fn exact_time(time: prost_types::Timestamp) -> Result<DateTime<Utc>, Invalid> {
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let nanos = nanos.ok_or("must have nanos between 0 and 999,999,999")?;
    let time = DateTime::from_timestamp(time.seconds, nanos);
    let time = time.filter(|time| (1..=9999).contains(&time.year()));
    time.ok_or_else(|| "must be in the years 1 to 9999".into())
}

fn to_due(due: Due) -> pb::Due {
    let number = |n: u32| i32::try_from(n).expect("parts of dates and times are below 2^31");
    let due = match due {
        Due::Date(date) => {
            let (month, day) = (number(date.month()), number(date.day()));
            pb::due::Due::Date(google::Date { year: date.year(), month, day })
        }
        Due::Moment { time, zone } => {
            let time = Some(time::timestamp(time));
            pb::due::Due::Moment(pb::DueTime { time, time_zone: zone.into() })
        }
        Due::Floating(time) => pb::due::Due::Floating(google::DateTime {
            year: time.year(),
            month: number(time.month()),
            day: number(time.day()),
            hours: number(time.hour()),
            minutes: number(time.minute()),
            seconds: number(time.second()),
            nanos: number(time.nanosecond()),
            time_offset: None,
        }),
    };
    pb::Due { due: Some(due) }
}

/// A message with these fields and no output-only ones. It names every field of the message, so
/// that a new one does not compile until it is handled: this is what answers and fingerprints have.
fn with_fields(fields: Fields) -> pb::Task {
    pb::Task {
        title: fields.title.into(),
        description: fields.description.into(),
        is_complete: fields.is_complete,
        priority: fields.priority as i32,
        labels: fields.labels.into(),
        due: fields.due.map(to_due),
        id: String::new(),
        etag: String::new(),
        create_time: None,
        update_time: None,
        complete_time: None,
        delete_time: None,
        purge_time: None,
    }
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.to_string(),
            etag: task.etag.to_string(),
            create_time: Some(time::timestamp(task.create_time)),
            update_time: Some(time::timestamp(task.update_time)),
            complete_time: task.complete_time.map(time::timestamp),
            delete_time: task.deletion.map(|deletion| time::timestamp(deletion.delete_time)),
            purge_time: task.deletion.map(|deletion| time::timestamp(deletion.purge_time)),
            ..with_fields(task.fields)
        }
    }
}
