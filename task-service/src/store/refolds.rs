//! `task.refolds`: passes over the tasks of all owners that refold their texts. Like the purge,
//! these statements serve no caller. A task's revision stays: no client sees the folded texts.

use shared::error::Error;
use sqlx::PgPool;
use uuid::Uuid;

use crate::domain::folded::Folded;

/// The next tasks of a pass. None means that the pass is complete.
pub(crate) struct Batch {
    pub(crate) pass: i16,
    /// In the order of their keys.
    pub(crate) tasks: Vec<StoredText>,
}

/// The texts of a task.
pub(crate) struct StoredText {
    pub(crate) owner_id: Uuid,
    pub(crate) id: Uuid,
    pub(crate) revision: i64,
    pub(crate) title: String,
    pub(crate) title_folded: Folded,
    pub(crate) description: String,
    pub(crate) description_folded: Folded,
}

/// At most `limit` tasks of the first pass that has begun by the database's clock, if any.
pub(crate) async fn next(db: &PgPool, limit: i64) -> Result<Option<Batch>, Error> {
    let rows = sqlx::query!(
        r#"select
            pass,
            task.owner_id as "owner_id?",
            task.id as "id?",
            revision as "revision?",
            title as "title?",
            title_folded as "title_folded?: Folded",
            description as "description?",
            description_folded as "description_folded?: Folded"
         from (
            select *
            from task.refolds
            where begin_time <= current_timestamp
            order by pass
            limit 1
         ) as refold
         left join lateral (
            select *
            from task.tasks
            where (owner_id, id) > (refold.owner_id, refold.id)
            order by owner_id, id
            limit $1
         ) as task on true
         order by task.owner_id, task.id"#,
        limit,
    );
    let rows = rows.fetch_all(db).await?;
    let Some(pass) = rows.first().map(|row| row.pass) else { return Ok(None) };
    let tasks = rows.into_iter().filter_map(|row| {
        Some(StoredText {
            owner_id: row.owner_id?,
            id: row.id?,
            revision: row.revision?,
            title: row.title?,
            title_folded: row.title_folded?,
            description: row.description?,
            description_folded: row.description_folded?,
        })
    });
    Ok(Some(Batch { pass, tasks: tasks.collect() }))
}

/// Stores the folded texts of `changed`, and that the pass has come to the task with the key
/// `last`. Skips a task that a call changes at the same time: that call folds its texts.
pub(crate) async fn advance(
    db: &PgPool,
    pass: i16,
    changed: &[StoredText],
    last: (Uuid, Uuid),
) -> Result<(), Error> {
    let advanced = sqlx::query!(
        "with found as materialized (
            select item.*
            from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::text[])
                as item (owner_id, id, revision, title_folded, description_folded)
            cross join lateral (
                select
                from task.tasks
                where owner_id = item.owner_id
                    and id = item.id
                    and revision = item.revision
                for update skip locked
            ) as task
         ), written as (
            update task.tasks as task
            set title_folded = found.title_folded,
                description_folded = found.description_folded
            from found
            where task.owner_id = any(array[found.owner_id])
                and task.id between found.id and found.id
         )
         update task.refolds
         set owner_id = $7, id = $8
         where pass = $6 and (owner_id, id) < ($7, $8)",
        &changed.iter().map(|task| task.owner_id).collect::<Vec<_>>(),
        &changed.iter().map(|task| task.id).collect::<Vec<_>>(),
        &changed.iter().map(|task| task.revision).collect::<Vec<_>>(),
        changed.iter().map(|task| &task.title_folded).collect::<Vec<_>>() as _,
        changed.iter().map(|task| &task.description_folded).collect::<Vec<_>>() as _,
        pass,
        last.0,
        last.1,
    );
    advanced.execute(db).await?;
    Ok(())
}

/// Deletes a pass that is complete.
pub(crate) async fn end(db: &PgPool, pass: i16) -> Result<(), Error> {
    sqlx::query!("delete from task.refolds where pass = $1", pass).execute(db).await?;
    Ok(())
}
