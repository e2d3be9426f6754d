//! Lists tasks, filtered and ordered.

use shared::{error::Error, ids::UserId};
use sqlx::{Execute as _, PgConnection, Postgres, QueryBuilder};

use super::row::{TaskRow, select_tasks};
use crate::domain::{
    list::{Filter, List},
    order::{Cursor, Direction, Field, Key, Order, Value},
    task::Task,
};

/// The owner's tasks that match the filter and come after `cursor`, in this order, at most `limit`.
///
/// The text of the statement depends on the conditions and on the order, so that each order has an
/// index to walk along: a page deep in the list is found as fast as the first. Values for which
/// PostgreSQL should choose the plan are part of the text, not parameters.
pub(crate) async fn list(
    db: &mut PgConnection,
    owner: UserId,
    List { filter, order }: &List,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Task>, Error> {
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
    let mut query = QueryBuilder::with_arguments(text, arguments);
    push_filter(&mut query, filter);
    if let Some(cursor) = cursor {
        query.push(" and ");
        push_after(&mut query, order, cursor);
    }
    query.push(" order by ");
    for &key in order.keys() {
        query.push(expression(key)).push(keyword(key.direction)).push(", ");
    }
    query.push("id").push(keyword(order.last_direction()));
    query.push(" limit ").push_bind(i64::try_from(limit).expect("a page is small"));
    let rows: Vec<TaskRow> = query.build_query_as().fetch_all(db).await?;
    Ok(rows.into_iter().filter_map(TaskRow::into_task).collect())
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if !filter.show_deleted {
        query.push(" and delete_time is null");
    }
    if let Some(is_complete) = filter.is_complete {
        query.push(" and is_complete = ").push_bind(is_complete);
    }
    if !filter.labels.is_empty() {
        query.push(" and labels @> ").push_bind(filter.labels.clone());
    }
    if !filter.priorities.is_empty() {
        let mut list = query.push(" and priority in (").separated(", ");
        for priority in &filter.priorities {
            list.push(*priority as i16);
        }
        query.push(")");
    }
    if let Some(time) = filter.due_before {
        query.push(" and due_time < ").push_bind(time);
    }
    if let Some(time) = filter.due_after {
        query.push(" and due_time >= ").push_bind(time);
    }
    if let Some(time) = filter.update_time_after {
        query.push(format_args!(" and update_time >= timestamptz '{}'", time.to_rfc3339()));
    }
    if let Some(has_due) = filter.has_due {
        query.push(if has_due { " and due_time is not null" } else { " and due_time is null" });
    }
    if let Some(text) = &filter.text {
        // `***=` makes a regular expression literal. Its cost is about the same for any text, while
        // LIKE and strpos take seconds for some repetitive ones.
        query.push(" and (title_folded ~ ('***=' || ").push_bind(text.clone());
        query.push(") or description_folded ~ ('***=' || ").push_bind(text.clone());
        query.push("))");
    }
}

/// After the cursor: greater by the first key, or equal and greater by the rest. If all keys have
/// the same direction, this is a row comparison, which an index supports. Otherwise the bound of
/// the first key is repeated as a condition of its own, which an index supports.
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
    for (i, (&key, value)) in keys.iter().zip(&cursor.values).enumerate() {
        if i == 0 {
            query.push(expression(key)).push(operator(key.direction).trim_end()).push("= ");
            push_value(query, value);
            query.push(" and ");
        }
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

/// The expression to compare, as in the definition of its index. A task without a due time sorts
/// last in both directions.
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
