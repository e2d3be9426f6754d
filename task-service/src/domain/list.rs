//! A list: which tasks it shows, in which order.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{label::Labels, order::Order, priority::Priority, text::Folded};

/// What is listed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct List {
    pub(crate) filter: Filter,
    pub(crate) order: Order,
}

impl List {
    /// Whether a client has no special wish: no filter, the default order.
    pub(crate) fn is_plain(&self) -> bool {
        self.filter == Filter::default() && self.order.is_default()
    }

    /// Different for any two lists: a page token is good for one of them.
    pub(crate) fn name(&self) -> String {
        serde_json::to_string(self).expect("a list is plain data")
    }
}

/// What a task must fit to be listed; what is absent excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Filter {
    pub(crate) is_complete: Option<bool>,
    /// All of them.
    pub(crate) labels: Labels,
    /// Any of them; none excludes none.
    pub(crate) priorities: Vec<Priority>,
    pub(crate) due_before: Option<DateTime<Utc>>,
    /// Or at this time.
    pub(crate) due_after: Option<DateTime<Utc>>,
    /// Or at this time.
    pub(crate) update_time_after: Option<DateTime<Utc>>,
    pub(crate) has_due: Option<bool>,
    /// In the title or the description.
    pub(crate) text: Option<Folded>,
    /// Whether deleted ones are shown, too.
    pub(crate) show_deleted: bool,
}
