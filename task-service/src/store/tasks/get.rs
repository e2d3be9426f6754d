//! Reads tasks by their ids.

use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use super::row::select_tasks;
use crate::domain::task::{Task, TaskId};

/// Tasks of an owner to read. An id can occur several times.
pub(crate) struct Get {
    pub(crate) owner: UserId,
    pub(crate) ids: Vec<TaskId>,
}

/// The tasks of all calls, in order, including deleted ones. [`Error::TaskNotFound`] stands for
/// each that the owner does not have.
pub(crate) async fn get(
    db: &mut PgConnection,
    gets: &[Get],
) -> Result<Vec<Result<Task, Error>>, Error> {
    let items = || gets.iter().flat_map(|get| get.ids.iter().map(|id| (get.owner, *id)));
    let rows = select_tasks!(
        r#"select
            position as "position!",
            revision as "revision: _",
            revision as "base_revision!",
            null::timestamptz as "server_start: _",
            update_time as "update_time: _",
            delete_time,
            purge_time,"#,
        "from unnest($1::uuid[], $2::uuid[]) with ordinality as item (owner_id, id, position)
         cross join lateral (
            select *
            from task.tasks
            where owner_id = item.owner_id and id = item.id
            offset 0
         ) as task",
        &items().map(|(owner, _)| owner.0).collect::<Vec<_>>(),
        items().map(|(_, id)| id).collect::<Vec<_>>() as _,
    );
    let mut results: Vec<_> = items().map(|_| Err(Error::TaskNotFound)).collect();
    for row in rows.fetch_all(db).await? {
        let i = row.index();
        results[i] = row.into_task().ok_or(Error::TaskNotFound);
    }
    Ok(results)
}
