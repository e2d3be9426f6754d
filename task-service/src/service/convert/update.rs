//! Parses updates: the meaning of a field mask (AIP-134, AIP-161).

use proto::task::v1 as pb;
use shared::{
    error::{FieldViolations, Invalid},
    etag::Etag,
};

use super::{required, task};
use crate::domain::{
    label::Labels,
    task::{Target, TaskId, TaskPatch},
    text,
};

/// The most paths in a mask.
const MAX_PATHS: usize = 32;

/// The paths of an update mask.
struct Mask<'a> {
    paths: &'a [String],
    /// The settable fields, each since it was looked up.
    settable: Vec<&'static str>,
}

impl Mask<'_> {
    /// Whether the update sets this field. Without a mask it sets the populated ones. In an invalid
    /// mask the valid paths count all the same, so that all violations are reported at once.
    fn sets(&mut self, field: &'static str, is_populated: bool) -> bool {
        self.settable.push(field);
        match self.paths {
            [] => is_populated,
            paths => paths.iter().any(|path| path == field || path == "*"),
        }
    }

    /// Names each invalid path, after all settable fields have been looked up.
    fn check(&self, bad: &mut FieldViolations) {
        let is_star = |path: &String| path == "*";
        if self.paths.len() > MAX_PATHS {
            bad.check::<()>("update_mask", Err("must have at most 32 paths".into()));
        } else if self.paths.len() > 1 && self.paths.iter().any(is_star) {
            bad.check::<()>("update_mask", Err("must have no other path beside \"*\"".into()));
        } else {
            let is_known = |path: &str| path == "*" || self.settable.contains(&path);
            for i in (0..self.paths.len()).filter(|&i| !is_known(&self.paths[i])) {
                let rule = format!("must be \"*\" or one of {}", self.settable.join(", "));
                bad.check::<()>(&format!("update_mask.paths[{i}]"), Err(Invalid(rule.into())));
            }
        }
    }
}

/// The task to change and the changes.
pub(in crate::service) fn update(
    request: pb::UpdateTaskRequest,
) -> Result<(Target, TaskPatch), FieldViolations> {
    let mut bad = FieldViolations::new();
    let paths = request.update_mask.unwrap_or_default().paths;
    let mut mask = Mask { paths: &paths, settable: Vec::new() };
    let has_task = request.task.is_some();
    let parsed = parse(request.task.unwrap_or_default(), &mut mask);
    mask.check(&mut bad);
    let update = required("task", has_task.then_some(parsed), |parsed| parsed, &mut bad);
    bad.or(update)
}

fn parse(task: pb::Task, mask: &mut Mask) -> Result<(Target, TaskPatch), FieldViolations> {
    let mut bad = FieldViolations::new();
    let id = bad.check("id", TaskId::parse(&task.id));
    let mut patch = TaskPatch::default();
    if mask.sets("title", !task.title.is_empty()) {
        patch.title = bad.check("title", text::Title::parse(&task.title));
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
        patch.labels = bad.check("labels", Labels::parse(&task.labels));
    }
    if mask.sets("due", task.due.is_some()) {
        patch.due = Some(task.due.and_then(|due| bad.check_message("due", task::parse_due(due))));
    }
    let etag = bad.check("etag", Etag::parse(&task.etag));
    bad.or(id.zip(etag).map(|(id, etag)| (Target { id, etag }, patch)))
}
