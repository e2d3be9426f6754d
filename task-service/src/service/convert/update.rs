//! Parses updates: the meaning of a field mask (AIP-134, AIP-161).

use proto::task::v1 as pb;
use shared::error::{FieldViolations, Invalid};

use super::{required, task};
use crate::domain::{
    etag::Etag,
    label::Labels,
    task::{Target, TaskId, TaskPatch},
    text,
};

/// The most paths in a mask.
const MAX_PATHS: usize = 32;

/// The paths of an update mask. Each settable field is looked up once, so that what remains is
/// unknown.
struct Mask<'a> {
    paths: &'a [String],
    known: usize,
}

impl Mask<'_> {
    /// Whether the update sets this field. Without a mask it sets the populated ones. In an invalid
    /// mask the valid paths count all the same, so that all violations are reported at once.
    fn sets(&mut self, field: &str, is_populated: bool) -> bool {
        let named = self.paths.iter().filter(|path| *path == field).count();
        self.known += named;
        match self.paths {
            [] => is_populated,
            paths => named > 0 || paths.iter().any(|path| path == "*"),
        }
    }

    /// Whether the mask is valid, after all settable fields have been looked up.
    fn check(&self) -> Result<(), Invalid> {
        if self.paths.len() > MAX_PATHS {
            return Err("must have at most 32 paths".into());
        }
        if self.paths == ["*"] || self.paths.len() == self.known {
            return Ok(());
        }
        Err("must be \"*\" or name only fields of Task that are not output-only".into())
    }
}

/// The task to change and the changes.
pub(in crate::service) fn update(
    request: pb::UpdateTaskRequest,
) -> Result<(Target, TaskPatch), FieldViolations> {
    let mut bad = FieldViolations::new();
    let paths = request.update_mask.unwrap_or_default().paths;
    let mut mask = Mask { paths: &paths, known: 0 };
    let has_task = request.task.is_some();
    let parsed = parse(request.task.unwrap_or_default(), &mut mask);
    bad.check("update_mask", mask.check());
    let update = required("task", has_task.then_some(parsed), |parsed| parsed, &mut bad);
    bad.or(update)
}

fn parse(task: pb::Task, mask: &mut Mask) -> Result<(Target, TaskPatch), FieldViolations> {
    let mut bad = FieldViolations::new();
    let id = bad.check("id", TaskId::parse(&task.id));
    let mut patch = TaskPatch::default();
    if mask.sets("title", !task.title.is_empty()) {
        patch.title = bad.check("title", text::Title::parse(task.title));
    }
    if mask.sets("description", !task.description.is_empty()) {
        patch.description = bad.check("description", text::Description::parse(task.description));
    }
    if mask.sets("is_complete", task.is_complete) {
        patch.is_complete = Some(task.is_complete);
    }
    if mask.sets("priority", task.priority != 0) {
        patch.priority = bad.check("priority", task::parse_priority(task.priority));
    }
    if mask.sets("labels", !task.labels.is_empty()) {
        patch.labels = bad.check("labels", Labels::parse(task.labels));
    }
    if mask.sets("due", task.due.is_some()) {
        patch.due = Some(task.due.and_then(|due| bad.check_message("due", task::parse_due(due))));
    }
    let etag = Etag::parse(&task.etag);
    bad.or(id.map(|id| (Target { id, etag }, patch)))
}
