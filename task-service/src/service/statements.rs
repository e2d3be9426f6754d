//! The statements that calls share: each lane carries one of these.

use chrono::TimeDelta;
use shared::{error::Error, ids::UserId, time};
use sqlx::PgConnection;

use crate::{
    domain::{
        creation::Creation,
        task::{Deletion, NewTask, Task, TaskId, TaskPatch},
    },
    lane::{Outcome, Statement},
    store::tasks::{self, Delete, FirstPage, Insert, Update, Wanted},
};

/// What a task weighs as much as one more row, in bytes.
const ROW_BYTES: usize = 4096;

/// An outcome for each task of a call.
type Outcomes = Vec<Result<Task, Error>>;

/// Reads tasks by their ids.
pub(super) struct Get;

impl Statement for Get {
    type Call = (UserId, Vec<TaskId>);
    type Answer = Outcomes;

    fn owner((owner, _): &Self::Call) -> UserId {
        *owner
    }

    fn weight((_, ids): &Self::Call) -> usize {
        ids.len()
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        calls: &[Self::Call],
    ) -> Result<Vec<Outcome<Outcomes>>, Error> {
        let ids = |(owner, ids): &Self::Call| {
            let owner = *owner;
            ids.clone().into_iter().map(move |id| (owner, id))
        };
        let wanted: Vec<_> = calls.iter().flat_map(ids).collect();
        let mut found = tasks::get(db, &wanted).await?.into_iter();
        let outcomes = |(_, ids): &Self::Call| Some(Ok(found.by_ref().take(ids.len()).collect()));
        Ok(calls.iter().map(outcomes).collect())
    }
}

/// Reads first pages, in the default order and without a filter, unless they are known.
pub(super) struct FirstPages;

impl Statement for FirstPages {
    type Call = Wanted;
    type Answer = Option<FirstPage>;

    fn owner(wanted: &Wanted) -> UserId {
        wanted.owner
    }

    fn weight(Wanted { limit, known, .. }: &Wanted) -> usize {
        // Of those that are known, few have changed.
        1 + if known.is_some() { limit / 16 } else { limit / 4 }
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        wanted: &[Wanted],
    ) -> Result<Vec<Outcome<Option<FirstPage>>>, Error> {
        let pages = tasks::first_pages(db, wanted).await?;
        Ok(pages.into_iter().map(|page| Some(Ok(page))).collect())
    }
}

/// Creates tasks, within the quota.
pub(super) struct Create {
    pub(super) quota: u32,
}

impl Statement for Create {
    type Call = Insert;
    type Answer = Creation;

    fn owner(insert: &Insert) -> UserId {
        insert.owner
    }

    fn weight(insert: &Insert) -> usize {
        insert.tasks.iter().map(|task| 1 + NewTask::bytes(task) / ROW_BYTES).sum()
    }

    fn must_follow(insert: &Insert, earlier: &Insert) -> bool {
        let id = |insert: &Insert| insert.request.as_ref().map(|request| request.id);
        let is_same = id(insert).is_some_and(|insert| id(earlier) == Some(insert));
        is_same || insert.tasks.len() > 1 || earlier.tasks.len() > 1
    }

    async fn run(
        &self,
        db: &mut PgConnection,
        inserts: &[Insert],
    ) -> Result<Vec<Outcome<Creation>>, Error> {
        tasks::insert(db, inserts, self.quota, time::now()).await
    }
}

/// Changes the fields of tasks.
pub(super) struct Change;

impl Statement for Change {
    type Call = Update;
    type Answer = Outcomes;

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
    ) -> Result<Vec<Outcome<Outcomes>>, Error> {
        let outcomes = tasks::update(db, updates, time::now()).await?;
        Ok(outcomes.into_iter().map(Some).collect())
    }
}

/// Deletes tasks.
pub(super) struct Remove {
    /// For how long a deleted task can be undeleted.
    pub(super) retention: TimeDelta,
}

impl Statement for Remove {
    type Call = Delete;
    type Answer = Outcomes;

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
    ) -> Result<Vec<Outcome<Outcomes>>, Error> {
        let delete_time = time::now();
        let deletion = Deletion { delete_time, purge_time: delete_time + self.retention };
        let outcomes = tasks::delete(db, deletes, deletion).await?;
        Ok(outcomes.into_iter().map(Some).collect())
    }
}
