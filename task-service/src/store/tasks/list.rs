//! Lists tasks, filtered and ordered.

use shared::{error::Error, ids::UserId};
use sqlx::{PgPool, Postgres, QueryBuilder};

use super::Row;
use crate::domain::{
    list::{Filter, List},
    order::{Cursor, Direction, Field, Key, Order, Value},
    task::Task,
};

/// The owner's tasks that fit the filter and come behind `cursor`, in this order, at most `limit`.
///
/// The statement's text depends on which conditions there are and on the order, so that each order
/// has an index to walk along: a place deep in the list is found as quickly as its beginning. What
/// an index could find faster is spelled out, so that PostgreSQL plans by the value.
pub(crate) async fn list(
    db: &PgPool,
    owner: UserId,
    List { filter, order }: &List,
    cursor: Option<&Cursor>,
    limit: usize,
) -> Result<Vec<Task>, Error> {
    let mut query = QueryBuilder::new(
        "select
            1::bigint as position,
            id, title, description, is_complete, priority, labels, due_time, due_time_zone,
            revision, revision as previous_revision, create_time, update_time, complete_time,
            delete_time, purge_time
         from task.tasks
         where owner_id = ",
    );
    query.push_bind(owner.0);
    push_filter(&mut query, filter);
    if let Some(cursor) = cursor {
        query.push(" and ");
        push_behind(&mut query, order, cursor);
    }
    query.push(" order by ");
    for &key in order.keys() {
        query.push(expression(key)).push(keyword(key.direction)).push(", ");
    }
    query.push("id").push(keyword(order.last_direction()));
    query.push(" limit ").push_bind(i64::try_from(limit).expect("a page is small"));
    let rows: Vec<Row> = query.build_query_as().fetch_all(db).await?;
    Ok(rows.into_iter().map(Into::into).collect())
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
        // A regular expression that is taken literally: it costs about the same for any text, where
        // LIKE and strpos take seconds for some that repeat themselves.
        query.push(" and (title_folded ~ ('***=' || ").push_bind(text.clone());
        query.push(") or description_folded ~ ('***=' || ").push_bind(text.clone());
        query.push("))");
    }
}

/// Behind the cursor: later by the first key, or the same and later by the rest. Where all go in
/// one direction this is the comparison of two rows, by which an index can be entered; otherwise
/// the first key's bound, which says the same again, is what an index is entered by.
fn push_behind(query: &mut QueryBuilder<Postgres>, order: &Order, cursor: &Cursor) {
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

/// What is compared, in the words of the indexes: a task that is never due comes last either way.
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
