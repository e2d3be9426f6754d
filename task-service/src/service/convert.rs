//! Between the wire's types and the domain's.

use proto::task::v1 as pb;
use shared::{
    error::{FieldViolations, Invalid},
    page::PageSize,
    time,
};

use crate::domain::task::{Description, NewTask, Task, TaskId, TaskPatch, Title};

/// The most paths that a mask may name.
const MAX_PATHS: usize = 32;

/// A field of a task that a client may set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Title,
    Description,
    IsComplete,
}

impl Field {
    const ALL: [Self; 3] = [Self::Title, Self::Description, Self::IsComplete];

    fn parse(path: &str) -> Option<Self> {
        match path {
            "title" => Some(Self::Title),
            "description" => Some(Self::Description),
            "is_complete" => Some(Self::IsComplete),
            _ => None,
        }
    }

    /// Whether `task` holds more than the default here: without a mask such fields are set.
    fn is_populated(self, task: &pb::Task) -> bool {
        match self {
            Self::Title => !task.title.is_empty(),
            Self::Description => !task.description.is_empty(),
            Self::IsComplete => task.is_complete,
        }
    }
}

/// The id in a request for one task.
pub(super) fn task_id(text: &str) -> Result<TaskId, FieldViolations> {
    one("task_id", TaskId::parse(text))
}

/// The size of the page that is asked for.
pub(super) fn page_size(size: i32) -> Result<PageSize, FieldViolations> {
    one("page_size", PageSize::parse(size))
}

/// The task to create. What is output-only is not looked at.
pub(super) fn new_task(request: pb::CreateTaskRequest) -> Result<NewTask, FieldViolations> {
    let task = one("task", request.task.ok_or_else(|| "must be set".into()))?;
    let mut bad = FieldViolations::new();
    let title = bad.check("task.title", Title::parse(task.title));
    let description = bad.check("task.description", Description::parse(task.description));
    let (Some(title), Some(description)) = (title, description) else { return Err(bad) };
    Ok(NewTask { title, description, is_complete: task.is_complete })
}

/// The task to change and what to change of it.
pub(super) fn update(
    request: pb::UpdateTaskRequest,
) -> Result<(TaskId, TaskPatch), FieldViolations> {
    let task = one("task", request.task.ok_or_else(|| "must be set".into()))?;
    let mut bad = FieldViolations::new();
    let id = bad.check("task.id", TaskId::parse(&task.id));
    let paths = request.update_mask.unwrap_or_default().paths;
    bad.check("update_mask", check_mask(&paths));
    let fields = masked(&paths, &task);
    let mut patch = TaskPatch::default();
    if fields.contains(&Field::Title) {
        patch.title = bad.check("task.title", Title::parse(task.title));
    }
    if fields.contains(&Field::Description) {
        patch.description = bad.check("task.description", Description::parse(task.description));
    }
    if fields.contains(&Field::IsComplete) {
        patch.is_complete = Some(task.is_complete);
    }
    match id {
        Some(id) if bad.is_empty() => Ok((id, patch)),
        _ => Err(bad),
    }
}

/// Whether a mask names only what may be set.
fn check_mask(paths: &[String]) -> Result<(), Invalid> {
    if paths.len() > MAX_PATHS {
        return Err("must name at most 32 paths".into());
    }
    if paths == ["*"] || paths.iter().all(|path| Field::parse(path).is_some()) {
        return Ok(());
    }
    Err("may name title, description and is_complete, or be \"*\"".into())
}

/// The fields that an update sets (AIP-134). Of a bad mask, those that it names beside what makes
/// it bad, so that bad values in them are told, too.
fn masked(paths: &[String], task: &pb::Task) -> Vec<Field> {
    let is_masked = |field: &Field| match paths {
        [] => field.is_populated(task),
        paths => paths.iter().any(|path| path == "*" || Field::parse(path) == Some(*field)),
    };
    Field::ALL.into_iter().filter(is_masked).collect()
}

fn one<T>(field: &str, parsed: Result<T, Invalid>) -> Result<T, FieldViolations> {
    let mut bad = FieldViolations::new();
    bad.check(field, parsed).ok_or(bad)
}

impl From<Task> for pb::Task {
    fn from(task: Task) -> Self {
        Self {
            id: task.id.to_string(),
            title: task.title.into(),
            description: task.description.into(),
            is_complete: task.is_complete,
            create_time: Some(time::timestamp(task.create_time)),
            update_time: Some(time::timestamp(task.update_time)),
            complete_time: task.complete_time.map(time::timestamp),
        }
    }
}
