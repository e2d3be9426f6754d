//! The statements whose calls are coalesced: one type for each [`Coalescer`].
//!
//! [`Coalescer`]: crate::coalesce::Coalescer

use std::time::Duration;

use shared::{error::Error, ids::UserId};
use sqlx::PgConnection;

use crate::{
    coalesce::{Attempt, Statement},
    domain::{
        creation::Creation,
        quota::Quota,
        task::{Task, TaskPatch},
    },
    store::tasks::{self, Create, Delete, FirstPage, FirstPageRequest, Get, Update},
};

/// So many bytes of a task weigh as much as one more row.
const ROW_BYTES: usize = 4096;

/// A result for each task of a call.
type TaskResults = Vec<Result<Task, Error>>;

/// Reads tasks by their ids.
pub(super) struct Gets;

impl Statement for Gets {
    type Call = Get;
    type Answer = TaskResults;

    fn owner(get: &Get) -> UserId {
        get.owner
    }

    fn weight(get: &Get) -> usize {
        get.ids.len()
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        gets: &[Get],
    ) -> Result<Vec<Attempt<TaskResults>>, Error> {
        let mut found = tasks::get(db, gets).await?.into_iter();
        let results = |get: &Get| Some(Ok(found.by_ref().take(get.ids.len()).collect()));
        Ok(gets.iter().map(results).collect())
    }
}

/// Reads first pages in the default order and without a filter, unless the caller's version is
/// current.
pub(super) struct FirstPages;

impl Statement for FirstPages {
    type Call = FirstPageRequest;
    type Answer = Option<FirstPage>;

    fn owner(request: &FirstPageRequest) -> UserId {
        request.owner
    }

    fn weight(FirstPageRequest { limit, cached, .. }: &FirstPageRequest) -> usize {
        // Few cached pages are stale.
        1 + if cached.is_some() { limit / 16 } else { limit / 4 }
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        requests: &[FirstPageRequest],
    ) -> Result<Vec<Attempt<Option<FirstPage>>>, Error> {
        let pages = tasks::first_pages(db, requests).await?;
        Ok(pages.into_iter().map(|page| Some(Ok(page))).collect())
    }
}

/// Creates tasks, within the quota.
pub(super) struct Creates {
    pub(super) quota: Quota,
}

impl Statement for Creates {
    type Call = Create;
    type Answer = Creation;

    fn owner(create: &Create) -> UserId {
        create.owner
    }

    fn weight(create: &Create) -> usize {
        create.tasks.iter().map(|task| 1 + task.fields.bytes() / ROW_BYTES).sum()
    }

    fn must_follow(create: &Create, earlier: &Create) -> bool {
        let id = |create: &Create| create.request.as_ref().map(|request| request.id);
        let is_same = id(create).is_some_and(|create| id(earlier) == Some(create));
        is_same || create.tasks.len() > 1 || earlier.tasks.len() > 1
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        creates: &[Create],
    ) -> Result<Vec<Attempt<Creation>>, Error> {
        tasks::create(db, creates, self.quota).await
    }
}

/// Changes fields of tasks, within the quota.
pub(super) struct Updates {
    pub(super) quota: Quota,
}

impl Statement for Updates {
    type Call = Update;
    type Answer = TaskResults;

    fn owner(update: &Update) -> UserId {
        update.owner
    }

    fn weight(update: &Update) -> usize {
        update.patches.iter().map(|(_, patch)| 1 + TaskPatch::bytes(patch) / ROW_BYTES).sum()
    }

    fn must_follow(update: &Update, earlier: &Update) -> bool {
        let is_earlier = |id| earlier.patches.iter().any(|(target, _)| target.id == id);
        update.patches.iter().any(|(target, _)| is_earlier(target.id))
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        updates: &[Update],
    ) -> Result<Vec<Attempt<TaskResults>>, Error> {
        tasks::update(db, updates, self.quota).await
    }
}

/// Deletes tasks, softly.
pub(super) struct Deletes {
    /// How long a deleted task can be undeleted.
    pub(super) retention: Duration,
}

impl Statement for Deletes {
    type Call = Delete;
    type Answer = TaskResults;

    fn owner(delete: &Delete) -> UserId {
        delete.owner
    }

    fn weight(delete: &Delete) -> usize {
        delete.targets.len()
    }

    fn must_follow(delete: &Delete, earlier: &Delete) -> bool {
        let is_earlier = |id| earlier.targets.iter().any(|target| target.id == id);
        delete.targets.iter().any(|target| is_earlier(target.id))
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        deletes: &[Delete],
    ) -> Result<Vec<Attempt<TaskResults>>, Error> {
        let results = tasks::delete(db, deletes, self.retention).await?;
        Ok(results.into_iter().map(Some).collect())
    }
}
