//! Follows auth-service's account events and purges what purged users owned. One instance at a time
//! does so; after a failure or a restart the next look continues where the last one ended.

use std::{convert::Infallible, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use proto::auth::v1::{
    self as pb, account_event::Kind, account_events_service_client::AccountEventsServiceClient,
};
use shared::{
    config::{ServiceSecret, read_pem},
    error::Error,
    ids::{self, UserId},
    time::{self, jitter},
};
use sqlx::PgPool;
use tandem_server::metrics::{IntCounter, IntGauge, Metrics};
use tokio::time::sleep;
use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    transport::{ClientTlsConfig, Endpoint, Identity},
};
use tonic_types::StatusExt as _;
use uuid::Uuid;

use crate::{
    config::Config,
    store::{feeds, followed, requests, tasks},
};

/// The most events of a page.
const PAGE: i32 = 100;
/// The most rows that one statement deletes, so that it is short.
const BATCH: u32 = 500;
/// How long other instances leave the events to one that has stopped without giving them back.
/// Longer than a statement or a call takes.
const LEASE: Duration = Duration::from_secs(30);
/// The longest time to connect, and of a call.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Follows the account events of one auth-service.
pub(crate) struct Follower {
    db: PgPool,
    /// This instance, for the lease.
    id: Uuid,
    server: Server,
    interval: Duration,
    metrics: FollowMetrics,
}

/// Where auth-service is and how to authenticate to it.
struct Server {
    url: String,
    is_tls: bool,
    client_files: Option<[PathBuf; 2]>,
    secret: ServiceSecret,
}

struct FollowMetrics {
    succeeded: IntCounter,
    failed: IntCounter,
    pending: IntGauge,
    caught_up: IntGauge,
}

impl Follower {
    /// `None`, with a warning, if no secret is configured: then tasks of purged users stay.
    pub(crate) fn new(db: PgPool, config: &Config, metrics: &Metrics) -> Option<Self> {
        let metrics = FollowMetrics::new(metrics);
        let Some(secret) = config.follow.secret.secret() else {
            tracing::warn!(
                "account events not followed, tasks of purged users stay; set \
                 ACCOUNT_EVENTS_SECRET to the secret of auth-service"
            );
            return None;
        };
        let url = config.follow.url.as_ref().unwrap_or(&config.issuer.url);
        let server = Server {
            url: url.origin().ascii_serialization(),
            is_tls: url.scheme() == "https",
            client_files: config.issuer.client_files(),
            secret: secret.clone(),
        };
        // Until the first success: a task-service that never succeeds must raise the alert, too.
        metrics.caught_up_at(Some(time::now()));
        Some(Self { db, id: Uuid::now_v7(), server, interval: config.follow.interval, metrics })
    }

    /// Looks for events once in each interval (jitter ±10 %). A look that fails is repeated in the
    /// next one.
    pub(crate) async fn follow_forever(&self) -> Infallible {
        let mut is_failing = false;
        loop {
            sleep(jitter(self.interval)).await;
            match self.follow().await {
                Ok(()) => {
                    self.metrics.succeeded.inc();
                    is_failing = false;
                }
                Err(error) => {
                    self.metrics.failed.inc();
                    if !is_failing {
                        let (url, cause) = (&self.server.url, error.causes());
                        tracing::warn!(url, cause, "cannot follow the account events");
                    }
                    is_failing = true;
                }
            }
        }
    }

    /// Applies all events, unless another instance does so now.
    async fn follow(&self) -> Result<(), Error> {
        let place = followed::claim(&self.db, self.id, LEASE).await?;
        self.metrics.caught_up_at(place.caught_up_time);
        let Some(sequence) = place.sequence else { return Ok(()) };
        let applied = self.apply_from(sequence).await;
        if applied.is_err() {
            followed::release(&self.db, self.id).await?;
        }
        applied
    }

    async fn apply_from(&self, mut sequence: i64) -> Result<(), Error> {
        loop {
            let page = self.server.list(sequence).await?;
            self.metrics.pending.set((page.last_sequence - sequence).max(0));
            if page.last_sequence < sequence {
                tracing::warn!("auth-service has fewer account events than before, starting again");
                sequence = 0;
                self.advance(sequence).await?;
            } else if page.events.is_empty() {
                let time = followed::catch_up(&self.db, self.id).await?;
                self.metrics.pending.set(0);
                self.metrics.caught_up_at(time);
                return Ok(());
            }
            for event in page.events {
                if event.sequence <= sequence {
                    return Err(internal("auth-service lists account events out of order"));
                }
                self.apply(&event).await?;
                sequence = event.sequence;
                self.advance(sequence).await?;
                self.metrics.pending.set((page.last_sequence - sequence).max(0));
            }
        }
    }

    async fn apply(&self, event: &pb::AccountEvent) -> Result<(), Error> {
        match event.kind() {
            Kind::UserPurged => {
                let id = ids::parse(&event.user_id);
                let id = id.map_err(|rule| internal(format!("user_id of an event {rule}")))?;
                self.purge(id.into()).await
            }
            // Of a later version.
            Kind::Unspecified => Ok(()),
        }
    }

    /// Purges every row of the owner. Idempotent: access tokens of the owner have expired long
    /// before the account is purged, so no call adds rows.
    async fn purge(&self, owner: UserId) -> Result<(), Error> {
        let mut total = 0;
        loop {
            let tasks = tasks::purge_owner(&self.db, owner, BATCH.into()).await?;
            let requests = requests::purge_owner(&self.db, owner, BATCH.into()).await?;
            total += tasks;
            if tasks.max(requests) < BATCH.into() {
                break;
            }
            if !followed::renew(&self.db, self.id, LEASE).await? {
                return Err(lease_lost());
            }
        }
        feeds::purge_owner(&self.db, owner).await?;
        tracing::info!(user_id = %owner, count = total, "tasks of a purged user purged");
        Ok(())
    }

    /// Stores the place, and extends the lease.
    async fn advance(&self, sequence: i64) -> Result<(), Error> {
        let is_mine = followed::advance(&self.db, self.id, sequence, LEASE).await?;
        is_mine.then_some(()).ok_or_else(lease_lost)
    }
}

impl Server {
    /// A page of the events after `sequence`, over a connection of its own: polls are rare, so
    /// they spread over all instances, and renewed certificates are used.
    async fn list(&self, sequence: i64) -> Result<pb::ListAccountEventsResponse, Error> {
        let failed = |error: tonic::transport::Error| Error::Internal(error.into());
        let mut endpoint = Endpoint::from_shared(self.url.clone()).map_err(failed)?;
        endpoint = endpoint.connect_timeout(TIMEOUT).timeout(TIMEOUT);
        if self.is_tls {
            let mut tls = ClientTlsConfig::new().with_native_roots();
            if let Some([cert, key]) = &self.client_files {
                let [cert, key] =
                    [read_pem(cert).map_err(internal)?, read_pem(key).map_err(internal)?];
                tls = tls.identity(Identity::from_pem(cert, key));
            }
            endpoint = endpoint.tls_config(tls).map_err(failed)?;
        }
        let mut client = AccountEventsServiceClient::new(endpoint.connect().await.map_err(failed)?);
        let mut request = Request::new(pb::ListAccountEventsRequest {
            after_sequence: sequence,
            page_size: PAGE,
        });
        request.metadata_mut().insert("authorization", self.authorization());
        let page = client.list_account_events(request).await.map_err(|status| refused(&status))?;
        Ok(page.into_inner())
    }

    fn authorization(&self) -> AsciiMetadataValue {
        let entry = format!("Bearer {}", self.secret.expose());
        let mut entry: AsciiMetadataValue = entry.parse().expect("a secret is visible ASCII");
        // Not compressed by HTTP/2, and not logged.
        entry.set_sensitive(true);
        entry
    }
}

impl FollowMetrics {
    fn new(metrics: &Metrics) -> Self {
        let polls = ("tandem_task_account_events_polls_total", "Polls for new account events.");
        let [succeeded, failed] = metrics.counters(polls, "result", ["succeeded", "failed"]);
        let pending = metrics.gauge((
            "tandem_task_account_events_pending",
            "Highest sequence of the account events minus the last one applied, at the last poll.",
        ));
        let caught_up = metrics.gauge((
            "tandem_task_account_events_caught_up_timestamp_seconds",
            "Time when all account events were last applied, by any instance, in seconds since \
             1970; before the first, when the instance started; 0 without a secret.",
        ));
        Self { succeeded, failed, pending, caught_up }
    }

    fn caught_up_at(&self, time: Option<DateTime<Utc>>) {
        if let Some(time) = time {
            self.caught_up.set(time.timestamp());
        }
    }
}

fn refused(status: &Status) -> Error {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    internal(format!("auth-service answers {:?} {reason}: {}", status.code(), status.message()))
}

fn lease_lost() -> Error {
    Error::Conflict("another instance follows the account events now".into())
}

fn internal(text: impl Into<String>) -> Error {
    Error::Internal(text.into().into())
}
