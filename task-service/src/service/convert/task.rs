//! Tasks, from the wire and to it.

use aws_lc_rs::digest;
use chrono::{DateTime, Datelike as _, Utc};
use prost::Message as _;
use proto::{google::r#type as google, task::v1 as pb};
use shared::{
    error::{FieldViolations, Invalid},
    time,
};
use uuid::Uuid;

use crate::domain::{
    creation::RequestKey,
    due::{self, Due, TimeZone},
    label::Labels,
    priority::Priority,
    task::{NewTask, Task},
    text::{Description, Title},
};

/// A task to create. What is output-only is not looked at.
pub(super) fn parse_new(task: pb::Task) -> Result<NewTask, FieldViolations> {
    let mut bad = FieldViolations::new();
    let title = bad.check("title", Title::parse(task.title));
    let description = bad.check("description", Description::parse(task.description));
    let priority = bad.check("priority", parse_priority(task.priority));
    let labels = bad.check("labels", Labels::parse(task.labels));
    let due = task.due.and_then(|due| bad.check_message("due", parse_due(due)));
    let is_complete = task.is_complete;
    match (title, description, priority, labels) {
        (Some(title), Some(description), Some(priority), Some(labels)) if bad.is_empty() => {
            Ok(NewTask { title, description, is_complete, priority, labels, due })
        }
        _ => Err(bad),
    }
}

/// How the request is known when it is repeated: by what it asks for, not by what was ignored.
pub(super) fn request_key(method: &'static str, id: Uuid, tasks: &[NewTask]) -> RequestKey {
    let mut hash = digest::Context::new(&digest::SHA256);
    for task in tasks {
        let task = pb::Task {
            title: task.title.as_str().to_owned(),
            description: task.description.as_str().to_owned(),
            is_complete: task.is_complete,
            priority: task.priority as i32,
            labels: task.labels.clone().into(),
            due: task.due.clone().map(to_due),
            ..Default::default()
        };
        hash.update(&task.encode_length_delimited_to_vec());
    }
    let fingerprint = hash.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
    RequestKey { method, id, fingerprint }
}

/// A priority; that which is not said is the usual one.
pub(super) fn parse_priority(number: i32) -> Result<Priority, Invalid> {
    match pb::Priority::try_from(number) {
        Ok(pb::Priority::Unspecified) => Ok(Priority::default()),
        Ok(pb::Priority::Low) => Ok(Priority::Low),
        Ok(pb::Priority::Medium) => Ok(Priority::Medium),
        Ok(pb::Priority::High) => Ok(Priority::High),
        Ok(pb::Priority::Urgent) => Ok(Priority::Urgent),
        Err(_) => Err("must be a priority that the service knows".into()),
    }
}

/// When a task is due.
pub(super) fn parse_due(due: pb::Due) -> Result<Due, FieldViolations> {
    let mut bad = FieldViolations::new();
    match due.due {
        None => {
            bad.check::<()>("date", Err("or a moment must be set".into()));
            Err(bad)
        }
        Some(pb::due::Due::Date(google::Date { year, month, day })) => {
            let date = bad.check("date", due::parse_date(year, month, day));
            date.map(Due::Date).ok_or(bad)
        }
        Some(pb::due::Due::Moment(pb::DueTime { time, time_zone })) => {
            let time = time.ok_or_else(|| "must be set".into()).and_then(parse_time);
            let time = bad.check("moment.time", time);
            let zone = bad.check("moment.time_zone", TimeZone::parse(time_zone));
            bad.or(time.zip(zone).map(|(time, zone)| Due::Moment { time, zone }))
        }
    }
}

/// A time of the years 1 to 9999, cut to microseconds.
pub(super) fn parse_time(time: prost_types::Timestamp) -> Result<DateTime<Utc>, Invalid> {
    let parsed = || {
        let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
        let time = DateTime::from_timestamp(time.seconds, nanos / 1000 * 1000)?;
        (1..=9999).contains(&time.year()).then_some(time)
    };
    parsed().ok_or_else(|| "must be a time of the years 1 to 9999".into())
}

fn to_due(due: Due) -> pb::Due {
    let due = match due {
        Due::Date(date) => {
            let number = |n: u32| i32::try_from(n).expect("months and days are small");
            let (month, day) = (number(date.month()), number(date.day()));
            pb::due::Due::Date(google::Date { year: date.year(), month, day })
        }
        Due::Moment { time, zone } => {
            let time = Some(time::timestamp(time));
            pb::due::Due::Moment(pb::DueTime { time, time_zone: zone.into() })
        }
    };
    pb::Due { due: Some(due) }
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.to_string(),
            title: task.title.into(),
            description: task.description.into(),
            is_complete: task.is_complete,
            priority: task.priority as i32,
            labels: task.labels.into(),
            due: task.due.map(to_due),
            etag: task.etag.to_string(),
            create_time: Some(time::timestamp(task.create_time)),
            update_time: Some(time::timestamp(task.update_time)),
            complete_time: task.complete_time.map(time::timestamp),
            delete_time: task.deletion.map(|deletion| time::timestamp(deletion.delete_time)),
            purge_time: task.deletion.map(|deletion| time::timestamp(deletion.purge_time)),
        }
    }
}
