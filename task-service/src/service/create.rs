//! Creates, which may be repeated and may only be tried.

use std::sync::Arc;

use proto::task::v1 as pb;
use shared::{error::Error, ids::UserId, time};

use super::{Tasks, convert::Create, to_pb};
use crate::{
    domain::{
        creation::{Creation, RequestKey},
        task::{self, NewTask},
    },
    purge::REQUESTS_REMEMBERED,
    store::{feeds, requests, tasks::Insert},
};

/// How often a create is tried that meets a request which is just being forgotten.
const ATTEMPTS: usize = 3;

impl Tasks {
    /// Creates all of the tasks or none.
    pub(super) async fn create(
        &self,
        owner: UserId,
        create: Create,
    ) -> Result<Vec<pb::Task>, Error> {
        if !task::fit_one_answer(create.tasks.iter().map(NewTask::bytes)) {
            return Err(Error::MessageTooLarge);
        }
        if create.validate_only {
            return self.validate(owner, create.tasks).await;
        }
        let tasks: Arc<[_]> = create.tasks.into();
        let creation = match &create.request {
            None => self.insert(owner, &tasks, None).await?,
            Some(request) => self.create_once(owner, &tasks, request).await?,
        };
        Ok(to_pb(creation.tasks(&tasks)))
    }

    /// Creates the tasks unless the same request did so before: then says what it did.
    async fn create_once(
        &self,
        owner: UserId,
        tasks: &Arc<[NewTask]>,
        request: &RequestKey,
    ) -> Result<Creation, Error> {
        for _ in 0..ATTEMPTS {
            let refused = match self.insert(owner, tasks, Some(request)).await {
                // What was done before may be what filled the quota.
                Err(error @ (Error::RequestIdReused | Error::TaskQuotaExceeded { .. })) => error,
                outcome => return outcome,
            };
            let forgotten = time::now() - REQUESTS_REMEMBERED;
            match (requests::find(&self.db, owner, request, forgotten).await?, refused) {
                (Some(creation), _) => return Ok(creation),
                (None, Error::RequestIdReused) => {}
                (None, refused) => return Err(refused),
            }
        }
        Err(Error::Conflict("a request was forgotten and repeated at once".into()))
    }

    async fn insert(
        &self,
        owner: UserId,
        tasks: &Arc<[NewTask]>,
        request: Option<&RequestKey>,
    ) -> Result<Creation, Error> {
        let (tasks, request) = (tasks.clone(), request.cloned());
        self.creates.call(Insert { owner, tasks, request }).await
    }

    /// The tasks as they would be created, without what only a created one has.
    async fn validate(&self, owner: UserId, new: Vec<NewTask>) -> Result<Vec<pb::Task>, Error> {
        let count = feeds::task_count(&self.db, owner).await?;
        if count.saturating_add(new.len().try_into().unwrap_or(u32::MAX)) > self.quota {
            return Err(Error::TaskQuotaExceeded { limit: self.quota });
        }
        let created = Creation::tried(new.len(), time::now()).tasks(&new);
        let without_id =
            |task| pb::Task { id: String::new(), etag: String::new(), ..pb::Task::from(task) };
        Ok(created.into_iter().map(without_id).collect())
    }
}
