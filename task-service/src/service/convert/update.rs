//! Updates: what a field mask (AIP-161) means.

use proto::task::v1 as pb;
use shared::error::{FieldViolations, Invalid};

use super::{required, task};
use crate::domain::{
    etag::Etag,
    label::Labels,
    task::{Target, TaskId, TaskPatch},
    text::{Description, Title},
};

/// The most paths that a mask may name.
const MAX_PATHS: usize = 32;

/// A field of a task that a client may set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Title,
    Description,
    IsComplete,
    Priority,
    Labels,
    Due,
}

impl Field {
    fn parse(path: &str) -> Option<Self> {
        match path {
            "title" => Some(Self::Title),
            "description" => Some(Self::Description),
            "is_complete" => Some(Self::IsComplete),
            "priority" => Some(Self::Priority),
            "labels" => Some(Self::Labels),
            "due" => Some(Self::Due),
            _ => None,
        }
    }

    /// Whether `task` holds more than the default here: without a mask such fields are set.
    fn is_populated(self, task: &pb::Task) -> bool {
        match self {
            Self::Title => !task.title.is_empty(),
            Self::Description => !task.description.is_empty(),
            Self::IsComplete => task.is_complete,
            Self::Priority => task.priority != 0,
            Self::Labels => !task.labels.is_empty(),
            Self::Due => task.due.is_some(),
        }
    }
}

/// The task to change and what to change of it.
pub(in crate::service) fn update(
    request: pb::UpdateTaskRequest,
) -> Result<(Target, TaskPatch), FieldViolations> {
    let mut bad = FieldViolations::new();
    let paths = request.update_mask.unwrap_or_default().paths;
    bad.check("update_mask", check_mask(&paths));
    let update = required("task", request.task, |task| parse(task, &paths), &mut bad);
    bad.or(update)
}

fn parse(task: pb::Task, paths: &[String]) -> Result<(Target, TaskPatch), FieldViolations> {
    let mut bad = FieldViolations::new();
    let id = bad.check("id", TaskId::parse(&task.id));
    let sets = masked(paths, &task);
    let mut patch = TaskPatch::default();
    if sets(Field::Title) {
        patch.title = bad.check("title", Title::parse(task.title));
    }
    if sets(Field::Description) {
        patch.description = bad.check("description", Description::parse(task.description));
    }
    if sets(Field::IsComplete) {
        patch.is_complete = Some(task.is_complete);
    }
    if sets(Field::Priority) {
        patch.priority = bad.check("priority", task::parse_priority(task.priority));
    }
    if sets(Field::Labels) {
        patch.labels = bad.check("labels", Labels::parse(task.labels));
    }
    if sets(Field::Due) {
        patch.due = Some(task.due.and_then(|due| bad.check_message("due", task::parse_due(due))));
    }
    let etag = Etag::parse(&task.etag);
    bad.or(id.map(|id| (Target { id, etag }, patch)))
}

/// Whether a mask names only what may be set.
fn check_mask(paths: &[String]) -> Result<(), Invalid> {
    if paths.len() > MAX_PATHS {
        return Err("must name at most 32 paths".into());
    }
    if paths == ["*"] || paths.iter().all(|path| Field::parse(path).is_some()) {
        return Ok(());
    }
    Err("may name title, description, is_complete, priority, labels and due, or be \"*\"".into())
}

/// Tells whether an update sets a field (AIP-134). Of a bad mask, those that it names beside what
/// makes it bad, so that bad values in them are told, too.
fn masked(paths: &[String], task: &pb::Task) -> impl Fn(Field) -> bool + use<> {
    const ALL: [Field; 6] = [
        Field::Title,
        Field::Description,
        Field::IsComplete,
        Field::Priority,
        Field::Labels,
        Field::Due,
    ];
    let sets = |field: &Field| match paths {
        [] => field.is_populated(task),
        paths => paths.iter().any(|path| path == "*" || Field::parse(path) == Some(*field)),
    };
    let set: Vec<_> = ALL.into_iter().filter(sets).collect();
    move |field| set.contains(&field)
}
