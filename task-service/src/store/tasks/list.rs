//! Lists tasks, filtered and ordered.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::{PgConnection, PgPool, Postgres, QueryBuilder};

use super::Row;
use crate::domain::{
    due::{Due, TimeZone},
    etag::Etag,
    label::Labels,
    list::{Filter, List},
    order::{Cursor, Direction, Field, Key, Order, Value},
    priority::Priority,
    task::{Task, TaskId},
    text::{Description, Title},
};

/// What a client asks for that has no special wish: an owner's newest tasks, without deleted ones.
pub(crate) struct Wanted {
    pub(crate) owner: UserId,
    /// How many tasks at most.
    pub(crate) limit: usize,
    /// The revision of the owner's feed with which they were read before.
    pub(crate) known_revision: Option<i64>,
}

/// An owner's newest tasks.
pub(crate) struct FirstPage {
    /// Of the owner's feed: while it has this one, the tasks are these.
    pub(crate) revision: i64,
    pub(crate) tasks: Vec<Task>,
}

/// A task of a first page as its columns have it, or none: of a page that is known, or is empty.
struct Found {
    position: i64,
    feed_revision: i64,
    id: Option<TaskId>,
    title: Option<Title>,
    description: Option<Description>,
    is_complete: Option<bool>,
    priority: Option<Priority>,
    labels: Option<Labels>,
    due_time: Option<DateTime<Utc>>,
    due_time_zone: Option<TimeZone>,
    revision: Option<i64>,
    create_time: Option<DateTime<Utc>>,
    update_time: Option<DateTime<Utc>>,
    complete_time: Option<DateTime<Utc>>,
}

impl Found {
    fn into_task(self) -> Option<Task> {
        Some(Task {
            id: self.id?,
            title: self.title?,
            description: self.description?,
            is_complete: self.is_complete?,
            priority: self.priority?,
            labels: self.labels?,
            due: self.due_time.map(|time| Due::from_parts(time, self.due_time_zone)),
            etag: Etag::of(self.revision?),
            create_time: self.create_time?,
            update_time: self.update_time?,
            complete_time: self.complete_time,
            deletion: None,
        })
    }
}

/// Each page that is wanted, or nothing if the feed's revision is the known one: no task of the owner
/// has changed since, and none is read.
pub(crate) async fn first_pages(
    db: &mut PgConnection,
    wanted: &[Wanted],
) -> Result<Vec<Option<FirstPage>>, Error> {
    let limit = |wanted: &Wanted| i64::try_from(wanted.limit).expect("a page is small");
    let rows = sqlx::query_as!(
        Found,
        r#"select
            position as "position!",
            coalesce(feed.revision, 0) as "feed_revision!",
            task.id as "id?: TaskId",
            title as "title?: Title",
            description as "description?: Description",
            is_complete as "is_complete?",
            priority as "priority?: Priority",
            labels as "labels?: Labels",
            due_time,
            due_time_zone as "due_time_zone: TimeZone",
            task.revision as "revision?",
            create_time as "create_time?",
            update_time as "update_time?",
            complete_time
         from unnest($1::uuid[], $2::bigint[], $3::bigint[])
            with ordinality as item (owner_id, size, known_revision, position)
         left join lateral (
            select revision
            from task.feeds
            where owner_id = item.owner_id
            offset 0
         ) as feed on true
         left join lateral (
            select *
            from task.tasks
            where owner_id = item.owner_id
                and delete_time is null
                and coalesce(feed.revision, 0) is distinct from item.known_revision
            order by create_time desc, id desc
            limit item.size
         ) as task on true"#,
        wanted.iter().map(|wanted| wanted.owner).collect::<Vec<_>>() as _,
        &wanted.iter().map(limit).collect::<Vec<_>>(),
        wanted.iter().map(|wanted| wanted.known_revision).collect::<Vec<_>>() as _,
    );
    let mut pages: Vec<_> = wanted.iter().map(|_| None).collect();
    for row in rows.fetch_all(db).await? {
        let i = usize::try_from(row.position - 1).expect("positions begin at 1");
        let Wanted { limit, known_revision, .. } = wanted[i];
        let revision = row.feed_revision;
        if known_revision != Some(revision) {
            let new = || FirstPage { revision, tasks: Vec::with_capacity(limit) };
            pages[i].get_or_insert_with(new).tasks.extend(row.into_task());
        }
    }
    Ok(pages)
}

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
    query.push_bind(owner);
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
