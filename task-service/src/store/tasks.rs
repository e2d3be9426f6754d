//! `task.tasks`: every statement is scoped to the owner, so that a task of another is not there.

use chrono::{DateTime, Utc};
use shared::{error::Error, ids::UserId, page::Cursor};
use sqlx::PgPool;

use crate::domain::task::{Description, Task, TaskId, TaskPatch, Title};

/// Keeps a new task.
pub(crate) async fn insert(db: &PgPool, owner: UserId, task: &Task) -> Result<(), Error> {
    sqlx::query!(
        "insert into task.tasks (
            owner_id, id, title, description, is_complete, create_time, update_time, complete_time
         )
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        owner as _,
        task.id as _,
        &task.title as _,
        &task.description as _,
        task.is_complete,
        task.create_time,
        task.update_time,
        task.complete_time,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The task of this id.
///
/// # Errors
/// [`Error::TaskNotFound`] if the owner has none.
pub(crate) async fn get(db: &PgPool, owner: UserId, id: TaskId) -> Result<Task, Error> {
    let row = sqlx::query_as!(
        Task,
        r#"select
            id as "id: TaskId",
            title as "title: Title",
            description as "description: Description",
            is_complete,
            create_time,
            update_time,
            complete_time
         from task.tasks
         where owner_id = $1 and id = $2"#,
        owner as _,
        id as _,
    );
    row.fetch_optional(db).await?.ok_or(Error::TaskNotFound)
}

/// The owner's tasks behind `cursor`, the newest first, at most `limit`.
pub(crate) async fn list(
    db: &PgPool,
    owner: UserId,
    cursor: Cursor,
    limit: usize,
) -> Result<Vec<Task>, Error> {
    // Compared as a row, the condition is the beginning of the index scan on every page.
    let rows = sqlx::query_as!(
        Task,
        r#"select
            id as "id: TaskId",
            title as "title: Title",
            description as "description: Description",
            is_complete,
            create_time,
            update_time,
            complete_time
         from task.tasks
         where owner_id = $1 and (create_time, id) < ($2, $3)
         order by create_time desc, id desc
         limit $4"#,
        owner as _,
        cursor.create_time,
        cursor.id,
        i64::try_from(limit).expect("a page is small"),
    );
    Ok(rows.fetch_all(db).await?)
}

/// Sets the fields that the patch holds, and the times that follow from them. A patch that changes
/// nothing leaves `update_time`.
///
/// # Errors
/// [`Error::TaskNotFound`] if the owner has no such task.
pub(crate) async fn update(
    db: &PgPool,
    owner: UserId,
    id: TaskId,
    patch: &TaskPatch,
    now: DateTime<Utc>,
) -> Result<Task, Error> {
    let row = sqlx::query_as!(
        Task,
        r#"update task.tasks
         set title = coalesce($3, title),
             description = coalesce($4, description),
             is_complete = coalesce($5, is_complete),
             complete_time = case
                 when coalesce($5, is_complete) = is_complete then complete_time
                 when $5 then $6::timestamptz
             end,
             update_time = case
                 when (coalesce($3, title), coalesce($4, description), coalesce($5, is_complete))
                     = (title, description, is_complete) then update_time
                 else greatest($6, update_time)
             end
         where owner_id = $1 and id = $2
         returning
             id as "id: TaskId",
             title as "title: Title",
             description as "description: Description",
             is_complete,
             create_time,
             update_time,
             complete_time"#,
        owner as _,
        id as _,
        &patch.title as _,
        &patch.description as _,
        patch.is_complete,
        now,
    );
    row.fetch_optional(db).await?.ok_or(Error::TaskNotFound)
}

/// Removes a task and returns what it was.
///
/// # Errors
/// [`Error::TaskNotFound`] if the owner has no such task.
pub(crate) async fn delete(db: &PgPool, owner: UserId, id: TaskId) -> Result<Task, Error> {
    let row = sqlx::query_as!(
        Task,
        r#"delete from task.tasks
         where owner_id = $1 and id = $2
         returning
             id as "id: TaskId",
             title as "title: Title",
             description as "description: Description",
             is_complete,
             create_time,
             update_time,
             complete_time"#,
        owner as _,
        id as _,
    );
    row.fetch_optional(db).await?.ok_or(Error::TaskNotFound)
}
