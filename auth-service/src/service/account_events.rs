//! The RPCs of `tandem.auth.v1.AccountEventsService`, for other services.

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{Digest, SHA256, digest},
};
use proto::auth::v1::{self as pb, account_events_service_server::AccountEventsService};
use shared::{
    auth::bearer_token,
    config::AccountEventsConfig,
    db::{Pools, WorkerPool},
    error::{Error, FieldViolations, Invalid, RpcResult},
    page::PageSize,
    time,
};
use tonic::{Request, Response, metadata::MetadataMap};

use crate::store::purged_users::{self, PurgedUser, PurgedUsers};

/// The state behind the service, with the database connections of one worker.
#[derive(Clone)]
pub(crate) struct AccountEvents {
    db: WorkerPool,
    /// The hash of the secret that callers present, if one is set.
    secret: Option<Digest>,
}

impl AccountEvents {
    /// The state for the first worker.
    pub(crate) fn new(pools: &Pools, config: &AccountEventsConfig) -> Self {
        let secret = config.secret().map(|secret| digest(&SHA256, secret.expose().as_bytes()));
        Self { db: pools.of_worker(0), secret }
    }

    /// The same state with the connections of another worker.
    pub(crate) fn of_worker(&self, pools: &Pools, worker: usize) -> Self {
        Self { db: pools.of_worker(worker), ..self.clone() }
    }

    /// Whether the caller knows the secret. Hashes are compared, in constant time, so that the time
    /// reveals not even its length.
    fn authenticate(&self, metadata: &MetadataMap) -> Result<(), Error> {
        let expected = self.secret.as_ref().ok_or(Error::AccountEventsOff)?;
        let presented = bearer_token(metadata.as_ref()).map_err(|_| Error::ServiceSecretInvalid)?;
        let presented = digest(&SHA256, presented.as_bytes());
        verify_slices_are_equal(presented.as_ref(), expected.as_ref())
            .map_err(|_| Error::ServiceSecretInvalid)
    }
}

#[tonic::async_trait]
impl AccountEventsService for AccountEvents {
    async fn list_account_events(
        &self,
        request: Request<pb::ListAccountEventsRequest>,
    ) -> RpcResult<pb::ListAccountEventsResponse> {
        self.authenticate(request.metadata())?;
        let (sequence, size) = place(request.get_ref())?;
        let PurgedUsers { users, last_sequence } =
            purged_users::list(&self.db, sequence, size.get()).await?;
        let events = users.into_iter().map(pb::AccountEvent::from).collect();
        Ok(Response::new(pb::ListAccountEventsResponse { events, last_sequence }))
    }
}

/// The sequence after which the list begins, and its length.
fn place(request: &pb::ListAccountEventsRequest) -> Result<(i64, PageSize), FieldViolations> {
    let mut bad = FieldViolations::new();
    let sequence = match request.after_sequence {
        ..0 => Err(Invalid::from("must not be negative")),
        sequence => Ok(sequence),
    };
    let sequence = bad.check("after_sequence", sequence);
    let size = bad.check("page_size", PageSize::parse(request.page_size));
    let (Some(sequence), Some(size)) = (sequence, size) else { return Err(bad) };
    Ok((sequence, size))
}

impl From<PurgedUser> for pb::AccountEvent {
    fn from(user: PurgedUser) -> Self {
        Self {
            sequence: user.sequence,
            kind: pb::account_event::Kind::UserPurged.into(),
            user_id: user.user_id.to_string(),
            create_time: Some(time::timestamp(user.purge_time)),
        }
    }
}
