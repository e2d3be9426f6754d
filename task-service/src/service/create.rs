//! Creates tasks: idempotent with a request id, or validated only.

use std::sync::Arc;

use proto::task::v1 as pb;
use shared::{error::Error, ids::UserId, time};

use super::{Tasks, convert::CreateRequest, to_pb};
use crate::{
    domain::{
        creation::{self, Creation, NewTask, RequestKey},
        task,
    },
    purge::REQUEST_RETENTION,
    store::{requests, tasks::Create},
};

/// How often a create is tried if a request with its id expires at the same time.
const ATTEMPTS: usize = 3;

impl Tasks {
    /// Creates all of the tasks or none.
    pub(super) async fn create(
        &self,
        owner: UserId,
        CreateRequest { tasks, request, validate_only }: CreateRequest,
    ) -> Result<Vec<pb::Task>, Error> {
        if !task::fit_one_answer(tasks.iter().map(|task| task.fields.bytes())) {
            return Err(Error::MessageTooLarge);
        }
        if validate_only {
            return self.validate_create(owner, &tasks).await;
        }
        let tasks = tasks.into();
        let creation = match &request {
            None => self.create_all(owner, &tasks, None).await?,
            Some(request) => self.create_once(owner, &tasks, request).await?,
        };
        Ok(to_pb(creation.tasks(&tasks)))
    }

    /// Creates the tasks, or returns what an earlier call with the same request id did.
    async fn create_once(
        &self,
        owner: UserId,
        tasks: &Arc<[NewTask]>,
        request: &RequestKey,
    ) -> Result<Creation, Error> {
        for _ in 0..ATTEMPTS {
            let rejected = match self.create_all(owner, tasks, Some(request)).await {
                // The earlier call may be what filled the quota.
                Err(
                    error @ (Error::RequestIdReused
                    | Error::TaskQuotaExceeded { .. }
                    | Error::StorageQuotaExceeded { .. }),
                ) => error,
                result => return result,
            };
            let mut db = self.admission.admit(owner).await?;
            let earlier = requests::find(&mut db, owner, request, REQUEST_RETENTION).await;
            match (db.end(earlier)?, rejected) {
                (Some(creation), _) => return Ok(creation),
                (None, Error::RequestIdReused) => {}
                (None, rejected) => return Err(rejected),
            }
        }
        Err(Error::Conflict("a request with the same id expired at the same time".into()))
    }

    async fn create_all(
        &self,
        owner: UserId,
        tasks: &Arc<[NewTask]>,
        request: Option<&RequestKey>,
    ) -> Result<Creation, Error> {
        let create = || {
            let (tasks, request) = (tasks.clone(), request.cloned());
            self.creates.call(Create { owner, tasks, request })
        };
        self.within_quota(owner, create).await
    }

    /// The tasks as they would be created, without the fields that only a stored task has.
    async fn validate_create(
        &self,
        owner: UserId,
        tasks: &[NewTask],
    ) -> Result<Vec<pb::Task>, Error> {
        self.check_quota(owner, tasks).await?;
        let now = time::now();
        creation::check_past(tasks, now)?;
        let created = Creation::validated(tasks.len(), now).tasks(tasks);
        let without_id =
            |task| pb::Task { id: String::new(), etag: String::new(), ..pb::Task::from(task) };
        Ok(created.into_iter().map(without_id).collect())
    }
}
