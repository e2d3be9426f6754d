//! A list: which tasks it contains, and in which order.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{due::DueBound, folded::Folded, label::Labels, order::Order, priority::Priority};

/// Which tasks to list, and in which order.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct List {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
}

impl List {
    /// Whether it has no filter and the default order.
    pub(crate) fn is_plain(&self) -> bool {
        self.filter == Filter::default() && self.order.is_default()
    }

    /// Unique for each list. A page token is bound to it.
    pub(crate) fn name(&self) -> String {
        serde_json::to_string(self).expect("a list is plain data")
    }
}

/// The conditions that a listed task meets. An absent condition is met by every task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Filter {
    pub(crate) is_complete: Option<bool>,
    /// The task has all of these.
    pub(crate) labels: Labels,
    /// The task has one of these; empty means any.
    pub(crate) priorities: Vec<Priority>,
    pub(crate) due_before: Option<DueBound>,
    /// Inclusive.
    pub(crate) due_after: Option<DueBound>,
    /// Inclusive.
    pub(crate) update_time_after: Option<DateTime<Utc>>,
    pub(crate) has_due: Option<bool>,
    /// The title or the description contains it.
    pub(crate) text: Option<Folded>,
    /// Whether deleted tasks are included.
    pub(crate) show_deleted: bool,
}
