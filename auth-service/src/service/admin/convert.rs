//! Conversions between the wire types of AdminService and domain types.

use chrono::{DateTime, Utc};
use clap::ValueEnum as _;
use proto::auth::v1::{self as pb, get_user_request::User as Key};
use shared::{
    error::{FieldViolations, Invalid},
    etag::Etag,
    ids::{self, UserId},
    page::PageSize,
};

use crate::{
    domain::{
        event::EventFilter,
        role::Roles,
        user::{Change, Target, Username},
        user_list::{Filter, Order, UserList},
    },
    events::Event,
};

/// The most names in a filter of events.
const MAX_EVENT_NAMES: usize = 50;

/// What identifies a user.
pub(super) enum UserKey {
    Id(UserId),
    Username(Username),
}

/// The fields that an update can set.
const SETTABLE: [&str; 3] = ["username", "roles", "disabled"];

/// The id or the username of a user.
pub(super) fn user_key(request: &pb::GetUserRequest) -> Result<UserKey, FieldViolations> {
    let mut bad = FieldViolations::new();
    let key = match &request.user {
        None => bad.check("user_id", Err("or `username` must be set".into())),
        Some(Key::UserId(id)) => {
            bad.check("user_id", ids::parse(id)).map(|id| UserKey::Id(id.into()))
        }
        Some(Key::Username(name)) => {
            bad.check("username", Username::parse(name)).map(UserKey::Username)
        }
    };
    bad.or(key)
}

/// The id of a user.
pub(super) fn user_id(text: &str) -> Result<UserId, FieldViolations> {
    let mut bad = FieldViolations::new();
    bad.check("user_id", ids::parse(text)).map(UserId).ok_or(bad)
}

/// The user whose sessions are listed, and the page size.
pub(super) fn user_sessions(
    request: &pb::ListUserSessionsRequest,
) -> Result<(UserId, PageSize), FieldViolations> {
    let mut bad = FieldViolations::new();
    let user_id = bad.check("user_id", ids::parse(&request.user_id)).map(UserId);
    let page_size = bad.check("page_size", PageSize::parse(request.page_size));
    bad.or(user_id.zip(page_size))
}

/// The user to delete, and the version.
pub(super) fn target(request: &pb::DeleteUserRequest) -> Result<Target, FieldViolations> {
    let mut bad = FieldViolations::new();
    let id = bad.check("user_id", ids::parse(&request.user_id)).map(UserId);
    let etag = bad.check("etag", Etag::parse(&request.etag));
    bad.or(id.zip(etag).map(|(id, etag)| Target { id, etag }))
}

/// The page size and the list.
pub(super) fn user_list(
    request: pb::ListUsersRequest,
) -> Result<(PageSize, UserList), FieldViolations> {
    let mut bad = FieldViolations::new();
    let page_size = bad.check("page_size", PageSize::parse(request.page_size));
    let filter = bad.check_message("filter", filter(request.filter.unwrap_or_default()));
    let order = bad.check("order_by", Order::parse(&request.order_by));
    let show_deleted = request.show_deleted;
    let all = || Some((page_size?, UserList { filter: filter?, order: order?, show_deleted }));
    bad.or(all())
}

/// The page size and the filter of a list of events.
pub(in crate::service) fn event_list(
    request: pb::AdminServiceListEventsRequest,
) -> Result<(PageSize, EventFilter), FieldViolations> {
    let mut bad = FieldViolations::new();
    let page_size = bad.check("page_size", PageSize::parse(request.page_size));
    let filter = event_filter(request.filter.unwrap_or_default());
    let filter = bad.check_message("filter", filter);
    bad.or(page_size.zip(filter))
}

fn event_filter(filter: pb::EventFilter) -> Result<EventFilter, FieldViolations> {
    let mut bad = FieldViolations::new();
    let mut id = |field, text: &str| match text {
        "" => Some(None),
        text => bad.check(field, ids::parse(text)).map(|id| Some(UserId(id))),
    };
    let user_id = id("user_id", &filter.user_id);
    let actor_id = id("actor_id", &filter.actor_id);
    if filter.events.len() > MAX_EVENT_NAMES {
        bad.check::<()>("events", Err("must have at most 50 names".into()));
    } else {
        for (i, name) in filter.events.iter().enumerate() {
            let known = Event::from_str(name, false).map(drop);
            let known = known.map_err(|_| "must be the name of an event".into());
            bad.check(&format!("events[{i}]"), known);
        }
    }
    let mut time = |field, time: Option<prost_types::Timestamp>| {
        bad.check(field, time.map(parse_time).transpose())
    };
    let from = time("create_time_after", filter.create_time_after);
    let until = time("create_time_before", filter.create_time_before);
    let events = filter.events;
    let all = || {
        let (user_id, actor_id) = (user_id?, actor_id?);
        Some(EventFilter { user_id, actor_id, events, from: from?, until: until? })
    };
    bad.or(all())
}

fn filter(filter: pb::UserFilter) -> Result<Filter, FieldViolations> {
    let mut bad = FieldViolations::new();
    let prefix = bad.check("username_prefix", Filter::parse_prefix(&filter.username_prefix));
    let role = bad.check("role", Filter::parse_role(filter.role));
    let mut time = |field, time: Option<prost_types::Timestamp>| {
        bad.check(field, time.map(parse_time).transpose())
    };
    let after = time("create_time_after", filter.create_time_after);
    let before = time("create_time_before", filter.create_time_before);
    let all = || {
        Some(Filter {
            username_prefix: prefix?,
            role: role?,
            disabled: filter.disabled,
            create_time_after: after?,
            create_time_before: before?,
        })
    };
    bad.or(all())
}

/// Reads a bound. Stored times are whole microseconds: a bound between two of them counts as the
/// later one, which gives the same users.
fn parse_time(time: prost_types::Timestamp) -> Result<DateTime<Utc>, Invalid> {
    let nanos = u32::try_from(time.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let is_in_range = (-62_135_596_800..=253_402_300_799).contains(&time.seconds);
    let time = nanos.filter(|_| is_in_range).and_then(|nanos| {
        DateTime::from_timestamp_micros(time.seconds * 1_000_000 + i64::from(nanos.div_ceil(1_000)))
    });
    time.ok_or_else(|| "must be a time in the years 1 to 9999".into())
}

/// Parses the roles of a user, naming each invalid one.
pub(super) fn roles(roles: Vec<String>, bad: &mut FieldViolations) -> Option<Roles> {
    match Roles::parse(roles) {
        Ok(roles) => Some(roles),
        Err(invalid) => {
            for (index, rule) in invalid {
                let field = index.map_or("roles".to_owned(), |index| format!("roles[{index}]"));
                bad.check::<()>(&field, Err(rule));
            }
            None
        }
    }
}

/// The user to update, and the change (AIP-134, AIP-161).
pub(super) fn update(request: pb::UpdateUserRequest) -> Result<(Target, Change), FieldViolations> {
    let mut bad = FieldViolations::new();
    let paths = request.update_mask.unwrap_or_default().paths;
    check_mask(&paths, &mut bad);
    let Some(user) = request.user else {
        bad.check::<()>("user", Err("must be set".into()));
        return Err(bad);
    };
    let update = bad.check_message("user", user_update(user, &paths));
    bad.or(update)
}

/// Names each path that an update cannot set.
fn check_mask(paths: &[String], bad: &mut FieldViolations) {
    if paths.len() > SETTABLE.len() {
        bad.check::<()>("update_mask", Err("must have at most 3 paths".into()));
    } else if paths.len() > 1 && paths.iter().any(|path| path == "*") {
        bad.check::<()>("update_mask", Err("must have no other path beside \"*\"".into()));
    } else {
        let is_known = |path: &str| path == "*" || SETTABLE.contains(&path);
        for i in (0..paths.len()).filter(|&i| !is_known(&paths[i])) {
            let rule = format!("must be \"*\" or one of {}", SETTABLE.join(", "));
            bad.check::<()>(&format!("update_mask.paths[{i}]"), Err(Invalid(rule.into())));
        }
    }
}

fn user_update(user: pb::User, paths: &[String]) -> Result<(Target, Change), FieldViolations> {
    let mut bad = FieldViolations::new();
    let sets = |field: &str, is_populated: bool| match paths {
        [] => is_populated,
        paths => paths.iter().any(|path| path == field || path == "*"),
    };
    let id = bad.check("id", ids::parse(&user.id)).map(UserId);
    let etag = bad.check("etag", Etag::parse(&user.etag));
    let mut change = Change::default();
    if sets("username", !user.username.is_empty()) {
        change.username = bad.check("username", Username::parse(&user.username));
    }
    if sets("roles", !user.roles.is_empty()) {
        change.roles = roles(user.roles, &mut bad);
    }
    if sets("disabled", user.disabled) {
        change.disabled = Some(user.disabled);
    }
    bad.or(id.zip(etag).map(|(id, etag)| (Target { id, etag }, change)))
}
