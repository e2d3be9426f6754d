//! Lists users, filtered and ordered.

use shared::{db::WorkerPool, error::Error};
use sqlx::{Postgres, QueryBuilder};

use super::row::UserRow;
use crate::domain::{
    user::User,
    user_list::{Field, Filter, UserCursor, UserList, Value},
};

/// The users of this list after `cursor`, at most `limit`. Both orders walk along an index; the
/// filters read on until the page is full.
pub(crate) async fn list(
    db: &WorkerPool,
    list: &UserList,
    cursor: Option<&UserCursor>,
    limit: usize,
) -> Result<Vec<User>, Error> {
    let mut query = QueryBuilder::new(
        "select
            id, username, create_time, update_time, roles, disabled, delete_time, purge_time
         from auth.users
         where true",
    );
    if !list.show_deleted {
        query.push(" and delete_time is null");
    }
    push_filter(&mut query, &list.filter);
    let field = match list.order.field {
        Field::CreateTime => "create_time",
        Field::Username => "username",
    };
    let (after, direction) = if list.order.is_descending { ("<", " desc") } else { (">", "") };
    if let Some(UserCursor { value, id }) = cursor {
        query.push(format_args!(" and ({field}, id) {after} ("));
        match value {
            Value::Time(time) => query.push_bind(*time),
            Value::Text(text) => query.push_bind(text.clone()),
        };
        query.push(", ").push_bind(*id).push(")");
    }
    query.push(format_args!(" order by {field}{direction}, id{direction} limit "));
    query.push_bind(i64::try_from(limit).expect("a page is small"));
    let rows: Vec<UserRow> = query.build_query_as().fetch_all(&mut *db.acquire().await?).await?;
    Ok(rows.into_iter().map(User::from).collect())
}

fn push_filter(query: &mut QueryBuilder<Postgres>, filter: &Filter) {
    if !filter.username_prefix.is_empty() {
        query.push(" and starts_with(username, ").push_bind(filter.username_prefix.clone());
        query.push(")");
    }
    if let Some(role) = &filter.role {
        query.push(" and ").push_bind(role.clone()).push(" = any (roles)");
    }
    if let Some(disabled) = filter.disabled {
        query.push(" and disabled = ").push_bind(disabled);
    }
    if let Some(time) = filter.create_time_after {
        query.push(" and create_time >= ").push_bind(time);
    }
    if let Some(time) = filter.create_time_before {
        query.push(" and create_time < ").push_bind(time);
    }
}
