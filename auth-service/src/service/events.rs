//! Lists of the audit log.

use proto::auth::v1 as pb;
use shared::{error::Error, ids::UserId, page, time};

use super::{Auth, admin, convert};
use crate::{
    domain::{
        event::{EventCursor, EventFilter, StoredEvent},
        session::Caller,
    },
    store::events,
};

/// The list that a page token of one's own events belongs to.
const OWN_EVENTS: &str = "tandem: own events by create_time desc, v1";

/// The list that a page token of all events belongs to, with its filter.
const ALL_EVENTS: &str = "tandem: all events by create_time desc, v1";

/// A page of events and the token of the next.
struct Page {
    events: Vec<pb::Event>,
    next_page_token: String,
}

impl Auth {
    /// The events of the caller's account.
    pub(super) async fn own_events(
        &self,
        caller: &Caller,
        req: &pb::ListEventsRequest,
    ) -> Result<pb::ListEventsResponse, Error> {
        let size = convert::page_size(req.page_size)?;
        let filter = EventFilter { user_id: Some(caller.id), ..EventFilter::default() };
        let page = self.events_page(caller.id, OWN_EVENTS, &filter, size, &req.page_token);
        let Page { mut events, next_page_token } = page.await?;
        // Where an administrator calls from is no user's business.
        for event in events.iter_mut().filter(|event| event.actor == "administrator") {
            event.session_id.clear();
            event.ip_address.clear();
            event.user_agent.clear();
        }
        Ok(pb::ListEventsResponse { events, next_page_token })
    }

    /// The events of all accounts that the request's filter allows.
    pub(super) async fn all_events(
        &self,
        caller: &Caller,
        mut req: pb::AdminServiceListEventsRequest,
    ) -> Result<pb::AdminServiceListEventsResponse, Error> {
        let token = std::mem::take(&mut req.page_token);
        let (size, filter) = admin::convert::event_list(req)?;
        let filter_text = serde_json::to_string(&filter).expect("it is plain data");
        let list = format!("{ALL_EVENTS} {filter_text}");
        let page = self.events_page(caller.id, &list, &filter, size, &token);
        let Page { events, next_page_token } = page.await?;
        Ok(pb::AdminServiceListEventsResponse { events, next_page_token })
    }

    /// A page of the events that `filter` allows. `list` says which these are, for the page token.
    async fn events_page(
        &self,
        caller: UserId,
        list: &str,
        filter: &EventFilter,
        size: page::PageSize,
        token: &str,
    ) -> Result<Page, Error> {
        let cursor = self.page_tokens.open(caller, list, token)?.unwrap_or(EventCursor::START);
        let events = events::list(&self.db, filter, cursor, size.get() + 1).await?;
        let (events, has_more) = page::cut(events, size, StoredEvent::bytes);
        let end = events.last().filter(|_| has_more).map(StoredEvent::cursor);
        let next = end.map(|cursor| self.page_tokens.seal(caller, list, &cursor));
        Ok(Page {
            events: events.into_iter().map(pb::Event::from).collect(),
            next_page_token: next.unwrap_or_default(),
        })
    }
}

impl From<StoredEvent> for pb::Event {
    fn from(event: StoredEvent) -> Self {
        let text = |id: Option<uuid::Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        Self {
            id: event.id.to_string(),
            create_time: Some(time::timestamp(event.create_time)),
            event: event.event,
            user_id: text(event.user_id),
            username: event.username.unwrap_or_default(),
            actor: event.actor,
            actor_id: text(event.actor_id),
            session_id: text(event.session_id),
            ip_address: event.ip_address.unwrap_or_default(),
            user_agent: event.user_agent.unwrap_or_default(),
            details: event.details.into_iter().collect(),
        }
    }
}
