//! Lists tasks, filtered and ordered.

use shared::{error::Error, ids::UserId};
use sqlx::{Execute as _, PgConnection, Postgres, QueryBuilder};

use super::row::{TaskRow, select_tasks};
use crate::domain::{
    due::{DueBound, FLOATING},
    folded::Folded,
    list::{Filter, List},
    order::{Cursor, Direction, Field, Key, Order, Value},
    task::Task,
};

/// The most bytes of text that one search examines, and what each task counts beside its text. The
/// work of a statement is so bounded, however long the owner's tasks are.
const SEARCH_BYTES: usize = 2 << 20;
const SEARCH_BYTES_PER_TASK: usize = 256;

/// A part of a list.
pub(crate) struct Listed {
    pub(crate) tasks: Vec<Task>,
    /// Where a search has stopped because it had examined [`SEARCH_BYTES`]: after the tasks.
    pub(crate) stopped_at: Option<Cursor>,
}

/// A task that a search has found, or at which it has stopped.
#[derive(sqlx::FromRow)]
struct SearchRow {
    #[sqlx(flatten)]
    task: TaskRow,
    is_match: bool,
    is_last: bool,
}

/// The owner's tasks that match the filter and come after `cursor`, in this order, at most `limit`.
///
/// Newest first and oldest first walk along an index. Other orders sort the owner's tasks.
pub(crate) async fn list(
    db: &mut PgConnection,
    owner: UserId,
    list: &List,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Listed, Error> {
    let mut all = select_tasks!(
        r#"select
            1::bigint as "position!",
            revision as "revision: _",
            revision as "base_revision: _",
            null::timestamptz as "server_start: _",
            update_time as "update_time: _",
            delete_time,
            purge_time,"#,
        "from task.tasks as task
         where owner_id = $1",
        owner.0,
    );
    let arguments = all.take_arguments().map_err(sqlx::Error::Encode)?.expect("it has an owner");
    // The columns by their own names: the marks are for the macro.
    let text = all.sql().as_str().replace(": _", "");
    let limit = i64::try_from(limit).expect("a page is small");
    if let Some(pattern) = &list.filter.text {
        let (columns, source) = text.split_once("from ").expect("it selects from a table");
        let mut query = QueryBuilder::with_arguments(columns, arguments);
        push_search(&mut query, source, list, cursor, pattern);
        query.push(" limit ").push_bind(limit);
        let rows: Vec<SearchRow> = query.build_query_as().fetch_all(db).await?;
        return Ok(found(rows, &list.order));
    }
    let mut query = QueryBuilder::with_arguments(text, arguments);
    push_conditions(&mut query, list, cursor);
    query.push(" order by ");
    for &key in list.order.keys() {
        query.push(expression(key)).push(keyword(key.direction)).push(", ");
    }
    query.push("id").push(keyword(list.order.last_direction()));
    query.push(" limit ").push_bind(limit);
    let rows: Vec<TaskRow> = query.build_query_as().fetch_all(db).await?;
    let tasks = rows.into_iter().filter_map(TaskRow::into_task).collect();
    Ok(Listed { tasks, stopped_at: None })
}

/// The tasks that a search has found, and where it has stopped.
fn found(rows: Vec<SearchRow>, order: &Order) -> Listed {
    let mut listed = Listed { tasks: Vec::with_capacity(rows.len()), stopped_at: None };
    for SearchRow { task, is_match, is_last } in rows {
        let Some(task) = task.into_task() else { continue };
        if is_last {
            listed.stopped_at = Some(order.cursor(&task));
        }
        if is_match {
            listed.tasks.push(task);
        }
    }
    listed
}

/// The rest of the statement of a search, without its limit.
///
/// The tasks that meet the other conditions are sorted by their keys, with a running sum of their
/// bytes. In this order, tasks are read and their text is matched, until the page is full or the
/// sum reaches the bound. The task with which it does is returned even if it does not match, since
/// the next page begins after it.
fn push_search(
    query: &mut QueryBuilder<Postgres>,
    source: &str,
    list: &List,
    cursor: Option<&Cursor>,
    pattern: &Folded,
) {
    query.push(format_args!(
        ", is_match, through >= {SEARCH_BYTES} as is_last from ( \
         select *, sum(bytes) over (order by "
    ));
    push_examined_keys(query, &list.order);
    query.push(" rows unbounded preceding) as through from (select ");
    for (i, &key) in list.order.keys().iter().enumerate() {
        query.push(format_args!("{} as key_{i}, ", expression(key)));
    }
    query.push(format_args!(
        "id as key_id, octet_length(title_folded) + octet_length(description_folded) \
         + {SEARCH_BYTES_PER_TASK} as bytes from {source}"
    ));
    push_conditions(query, list, cursor);
    // `offset 0` keeps the texts out of the sort.
    //
    // `***=` makes a regular expression literal. Its cost is about the same for any text, while
    // LIKE and strpos take seconds for some repetitive ones.
    query.push(
        " offset 0) as sized) as examined cross join lateral ( \
         select task.*, title_folded ~ pattern or description_folded ~ pattern as is_match \
         from task.tasks as task, (select '***=' || ",
    );
    query.push_bind(pattern.clone());
    query.push(format_args!(
        ") as search (pattern) where owner_id = $1 and id = key_id offset 0) as task \
         where through - bytes < {SEARCH_BYTES} and (is_match or through >= {SEARCH_BYTES}) \
         order by "
    ));
    push_examined_keys(query, &list.order);
}

/// The keys of an examined task, as [`push_search`] names them.
fn push_examined_keys(query: &mut QueryBuilder<Postgres>, order: &Order) {
    for (i, key) in order.keys().iter().enumerate() {
        query.push(format_args!("key_{i}{}, ", keyword(key.direction)));
    }
    query.push("key_id").push(keyword(order.last_direction()));
}

/// All conditions but that on the text.
fn push_conditions(query: &mut QueryBuilder<Postgres>, list: &List, cursor: Option<&Cursor>) {
    push_filter(query, &list.filter);
    if let Some(cursor) = cursor {
        query.push(" and ");
        push_after(query, &list.order, cursor);
    }
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if !filter.show_deleted {
        query.push(" and delete_time is null");
    }
    if let Some(is_complete) = filter.is_complete {
        query.push(" and is_complete = ").push_bind(is_complete);
    }
    if !filter.labels.is_empty() {
        // ASCII is in every normal form.
        query.push(
            " and array( \
             select case when octet_length(label) = length(label) then label \
             else normalize(label, nfc) end from unnest(labels) as label) @> ",
        );
        query.push_bind(filter.labels.composed());
    }
    if !filter.priorities.is_empty() {
        let priorities: Vec<_> =
            filter.priorities.iter().map(|priority| *priority as i16).collect();
        query.push(" and priority = any(").push_bind(priorities).push(")");
    }
    if let Some(bound) = filter.due_before {
        push_due_bound(query, " < ", bound);
    }
    if let Some(bound) = filter.due_after {
        push_due_bound(query, " >= ", bound);
    }
    if let Some(time) = filter.update_time_after {
        query.push(" and update_time >= ").push_bind(time);
    }
    if let Some(has_due) = filter.has_due {
        query.push(if has_due { " and due_time is not null" } else { " and due_time is null" });
    }
}

/// A bound of due times. Due dates and floating due times are compared with the wall clock.
fn push_due_bound(
    query: &mut QueryBuilder<Postgres>,
    operator: &str,
    DueBound { time, wall_clock }: DueBound,
) {
    query.push(" and due_time").push(operator);
    if time == wall_clock {
        query.push_bind(time);
        return;
    }
    query
        .push(format_args!("case when coalesce(due_time_zone, '{FLOATING}') = '{FLOATING}' then "));
    query.push_bind(wall_clock).push("::timestamptz else ").push_bind(time).push(" end");
}

/// After the cursor: greater by the first key, or equal and greater by the rest. If all keys have
/// the same direction, this is a row comparison, which an index supports.
fn push_after(query: &mut QueryBuilder<Postgres>, order: &Order, cursor: &Cursor) {
    let keys = order.keys();
    let direction = order.last_direction();
    if keys.iter().all(|key| key.direction == direction) {
        query.push("(");
        for &key in keys {
            query.push(expression(key)).push(", ");
        }
        query.push("id)").push(operator(direction)).push("(");
        for value in &cursor.values {
            push_value(query, value);
            query.push(", ");
        }
        query.push_bind(cursor.id).push(")");
        return;
    }
    for (&key, value) in keys.iter().zip(&cursor.values) {
        query.push("(").push(expression(key)).push(operator(key.direction));
        push_value(query, value);
        query.push(" or ").push(expression(key)).push(" = ");
        push_value(query, value);
        query.push(" and ");
    }
    query.push("id").push(operator(direction)).push_bind(cursor.id);
    query.push(")".repeat(keys.len()));
}

fn push_value(query: &mut QueryBuilder<Postgres>, value: &Value) {
    match value {
        Value::Time(time) => query.push_bind(*time),
        Value::Number(number) => query.push_bind(*number),
        Value::Text(text) => query.push_bind(text.clone()),
    };
}

/// The expression to compare. A task without a due time sorts last in both directions.
fn expression(Key { field, direction }: Key) -> &'static str {
    match (field, direction) {
        (Field::CreateTime, _) => "create_time",
        (Field::UpdateTime, _) => "update_time",
        (Field::Priority, _) => "priority",
        (Field::Title, _) => "title",
        (Field::Due, Direction::Ascending) => {
            "coalesce(due_time, timestamptz '10000-01-01 00:00:00Z')"
        }
        (Field::Due, Direction::Descending) => {
            "coalesce(due_time, timestamptz '0001-01-01 00:00:00Z BC')"
        }
    }
}

fn operator(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => " > ",
        Direction::Descending => " < ",
    }
}

fn keyword(direction: Direction) -> &'static str {
    match direction {
        Direction::Ascending => "",
        Direction::Descending => " desc",
    }
}
