//! Reads first pages of lists without a filter, in the default order, unless they are unchanged.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use super::row::select_tasks;
use crate::domain::task::Task;

/// A request for the newest tasks of an owner, without deleted ones.
pub(crate) struct FirstPageRequest {
    pub(crate) owner: UserId,
    /// The most tasks to return.
    pub(crate) limit: usize,
    /// The version that the caller has cached.
    pub(crate) cached: Option<Version>,
}

/// As long as it is the same, no task of the owner has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Of the owner's feed.
    pub(crate) revision: i64,
    /// When the database server was started. After a failover the new primary may lack the last
    /// changes, and use their revisions for others.
    pub(crate) server_start: DateTime<Utc>,
}

/// The newest tasks of an owner.
pub(crate) struct FirstPage {
    pub(crate) version: Version,
    pub(crate) tasks: Vec<Task>,
}

/// The page for each request, or `None` if the cached version is current. Then no task is read.
pub(crate) async fn first_pages(
    db: &mut PgConnection,
    requests: &[FirstPageRequest],
) -> Result<Vec<Option<FirstPage>>, Error> {
    let limit = |request: &FirstPageRequest| i64::try_from(request.limit).expect("a page is small");
    let cached = || requests.iter().map(|request| request.cached);
    let rows = select_tasks!(
        r#"select
            position as "position!",
            task.revision as "revision: _",
            coalesce(feed.revision, 0) as "base_revision!",
            pg_postmaster_start_time() as "server_start: _",
            update_time as "update_time: _",
            delete_time,
            purge_time,"#,
        "from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[]) with ordinality
            as item (owner_id, size, cached_revision, cached_server_start, position)
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
                    is distinct from (item.cached_revision, item.cached_server_start)
            order by create_time desc, id desc
            limit item.size
         ) as task on true",
        &requests.iter().map(|request| request.owner.0).collect::<Vec<_>>(),
        &requests.iter().map(limit).collect::<Vec<_>>(),
        cached().map(|cached| cached.map(|version| version.revision)).collect::<Vec<_>>() as _,
        cached().map(|cached| cached.map(|version| version.server_start)).collect::<Vec<_>>() as _,
    );
    let mut pages: Vec<_> = requests.iter().map(|_| None).collect();
    for row in rows.fetch_all(db).await? {
        let i = row.index();
        let FirstPageRequest { limit, cached, .. } = requests[i];
        let server_start = row.server_start.expect("a server has been started");
        let version = Version { revision: row.base_revision, server_start };
        if cached != Some(version) {
            let new = || FirstPage { version, tasks: Vec::with_capacity(limit) };
            pages[i].get_or_insert_with(new).tasks.extend(row.into_task());
        }
    }
    Ok(pages)
}
