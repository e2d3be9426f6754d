//! The first pages of lists without a filter, in the default order; known ones are not read again.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use crate::domain::{
    due::{Due, TimeZone},
    etag::Etag,
    label::Labels,
    priority::Priority,
    task::{Task, TaskId},
    text::{Description, Title},
};

/// An owner's newest tasks, without deleted ones.
pub(crate) struct Wanted {
    pub(crate) owner: UserId,
    /// How many tasks at most.
    pub(crate) limit: usize,
    /// As which they are known.
    pub(crate) known: Option<Version>,
}

/// What an owner's tasks are as long as it is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Of the owner's feed.
    pub(crate) revision: i64,
    /// When the server was started. The one that takes over from another may lack its last changes
    /// and count others in their place.
    pub(crate) server_start: DateTime<Utc>,
}

/// An owner's newest tasks.
pub(crate) struct FirstPage {
    pub(crate) version: Version,
    pub(crate) tasks: Vec<Task>,
}

/// A task of a first page as its columns have it, or none: of a page that is known, or is empty.
struct Found {
    position: i64,
    feed_revision: i64,
    server_start: DateTime<Utc>,
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

/// Each page that is wanted, or nothing if it is known: then no task of the owner has changed, and
/// none is read.
pub(crate) async fn first_pages(
    db: &mut PgConnection,
    wanted: &[Wanted],
) -> Result<Vec<Option<FirstPage>>, Error> {
    let limit = |wanted: &Wanted| i64::try_from(wanted.limit).expect("a page is small");
    let known = || wanted.iter().map(|wanted| wanted.known);
    let rows = sqlx::query_as!(
        Found,
        r#"select
            position as "position!",
            coalesce(feed.revision, 0) as "feed_revision!",
            pg_postmaster_start_time() as "server_start!",
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
         from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[]) with ordinality
            as item (owner_id, size, known_revision, known_server_start, position)
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
                and (coalesce(feed.revision, 0), pg_postmaster_start_time())
                    is distinct from (item.known_revision, item.known_server_start)
            order by create_time desc, id desc
            limit item.size
         ) as task on true"#,
        &wanted.iter().map(|wanted| wanted.owner.0).collect::<Vec<_>>(),
        &wanted.iter().map(limit).collect::<Vec<_>>(),
        known().map(|known| known.map(|version| version.revision)).collect::<Vec<_>>() as _,
        known().map(|known| known.map(|version| version.server_start)).collect::<Vec<_>>() as _,
    );
    let mut pages: Vec<_> = wanted.iter().map(|_| None).collect();
    for row in rows.fetch_all(db).await? {
        let i = usize::try_from(row.position - 1).expect("positions begin at 1");
        let Wanted { limit, known, .. } = wanted[i];
        let version = Version { revision: row.feed_revision, server_start: row.server_start };
        if known != Some(version) {
            let new = || FirstPage { version, tasks: Vec::with_capacity(limit) };
            pages[i].get_or_insert_with(new).tasks.extend(row.into_task());
        }
    }
    Ok(pages)
}
