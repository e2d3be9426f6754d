//! Parses lists: filter, order and page size.

use proto::task::v1 as pb;
use shared::{
    error::{FieldViolations, Invalid},
    page::PageSize,
};

use super::task;
use crate::domain::{
    due::{DueBound, TimeZone},
    folded::Folded,
    label::Labels,
    list::{Filter, List},
    order::Order,
    priority::Priority,
};

/// The page size and the list.
pub(in crate::service) fn list(
    request: pb::ListTasksRequest,
) -> Result<(PageSize, List), FieldViolations> {
    let mut bad = FieldViolations::new();
    let page_size = bad.check("page_size", PageSize::parse(request.page_size));
    let order = bad.check("order_by", Order::parse(&request.order_by));
    let filter = parse_filter(request.filter.unwrap_or_default());
    let filter = bad.check_message("filter", filter);
    let show_deleted = request.show_deleted;
    let list = filter.zip(order).map(|(filter, order)| {
        let filter = Filter { show_deleted, ..filter };
        List { filter, order }
    });
    bad.or(page_size.zip(list))
}

fn parse_filter(filter: pb::TaskFilter) -> Result<Filter, FieldViolations> {
    let mut bad = FieldViolations::new();
    let mut time = |field, time: Option<prost_types::Timestamp>| {
        time.and_then(|time| bad.check(field, task::parse_bound(time)))
    };
    let due_before = time("due_before", filter.due_before);
    let due_after = time("due_after", filter.due_after);
    let update_time_after = time("update_time_after", filter.update_time_after);
    let zone = Some(filter.time_zone).filter(|zone| !zone.is_empty());
    let zone = zone.and_then(|zone| bad.check("time_zone", TimeZone::parse(&zone)));
    let labels = bad.check("labels", Labels::parse(&filter.labels));
    let priorities = bad.check("priorities", parse_priorities(&filter.priorities));
    let text = Some(filter.text).filter(|text| !text.is_empty());
    let text = text.and_then(|text| bad.check("text", Folded::parse(text)));
    let (is_complete, has_due) = (filter.is_complete, filter.has_due);
    let filter = labels.zip(priorities).map(|(labels, priorities)| Filter {
        is_complete,
        labels,
        priorities,
        due_before: due_before.map(|time| DueBound::new(time, zone.as_ref())),
        due_after: due_after.map(|time| DueBound::new(time, zone.as_ref())),
        update_time_after,
        has_due,
        text,
        show_deleted: false,
    });
    bad.or(filter)
}

/// Sorted and without duplicates, so that equal filters are equal.
fn parse_priorities(numbers: &[i32]) -> Result<Vec<Priority>, Invalid> {
    if numbers.contains(&0) {
        return Err("must not contain PRIORITY_UNSPECIFIED: no task has it".into());
    }
    let mut priorities: Vec<_> =
        numbers.iter().map(|number| task::parse_priority(*number)).collect::<Result<_, _>>()?;
    priorities.sort_unstable();
    priorities.dedup();
    Ok(priorities)
}
