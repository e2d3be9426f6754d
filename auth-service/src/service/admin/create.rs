//! Creates users: parses them, hashes their passwords, and recognizes retries by `request_id`.

use std::{collections::HashMap, hash::Hash, net::IpAddr};

use aws_lc_rs::digest::{SHA256, digest};
use proto::auth::v1::{self as pb, create_user_request::Credential};
use shared::{
    error::{Error, FieldViolations, Invalid},
    ids::{self, UserId},
};
use uuid::{Builder, Uuid};

use super::{Auth, convert};
use crate::{
    domain::{
        actor::Actor,
        password::PasswordHash,
        role::Roles,
        user::{NewUser, User, Username},
    },
    events::{self, Event},
    store::users,
};

/// The most users in a batch.
const MAX_USERS: usize = 1_000;
/// The most passwords in a batch: each is rated and hashed.
const MAX_PASSWORDS: usize = 10;

/// A parsed request to create a user. Its password, if it has one, is not rated yet.
struct Parsed {
    id: Option<UserId>,
    username: Username,
    roles: Roles,
    disabled: bool,
    hash: Option<PasswordHash>,
}

impl Auth {
    /// Creates a user.
    pub(super) async fn create_one(
        &self,
        actor: &Actor,
        source: IpAddr,
        mut req: pb::CreateUserRequest,
    ) -> Result<User, Error> {
        let mut bad = FieldViolations::new();
        let request_id = std::mem::take(&mut req.request_id);
        let request_id = bad.check("request_id", ids::parse_request_id(&request_id)).flatten();
        let path = |_| String::new();
        let created = self.create_all(actor, source, vec![req], request_id, bad, path).await;
        match created {
            Ok(mut users) => Ok(users.pop().expect("one user is created")),
            Err(Error::InBatch { error, .. }) => Err(*error),
            Err(error) => Err(error),
        }
    }

    /// Creates a batch of users.
    pub(super) async fn create_batch(
        &self,
        actor: &Actor,
        source: IpAddr,
        req: pb::BatchCreateUsersRequest,
    ) -> Result<Vec<User>, Error> {
        let mut bad = FieldViolations::new();
        let request_id = bad.check("request_id", ids::parse_request_id(&req.request_id)).flatten();
        if !(1..=MAX_USERS).contains(&req.requests.len()) {
            bad.check::<()>("requests", Err("must have 1 to 1000 requests".into()));
            return Err(bad.into());
        }
        let path = |i| format!("requests[{i}]");
        for (i, request) in req.requests.iter().enumerate() {
            if !request.request_id.is_empty() {
                let field = format!("{}.request_id", path(i));
                bad.check::<()>(&field, Err("must not be set in a batch".into()));
            }
        }
        self.create_all(actor, source, req.requests, request_id, bad, path).await
    }

    /// Creates all of these users or none. If the same request has created them before, returns
    /// those. `bad` has the violations so far, and `path` is the path of a request in the call's.
    async fn create_all(
        &self,
        actor: &Actor,
        source: IpAddr,
        requests: Vec<pb::CreateUserRequest>,
        request_id: Option<Uuid>,
        mut bad: FieldViolations,
        path: impl Fn(usize) -> String,
    ) -> Result<Vec<User>, Error> {
        let (mut parsed, mut passwords) = (Vec::new(), Vec::new());
        for (i, mut request) in requests.into_iter().enumerate() {
            if let Some(Credential::Password(text)) = &mut request.credential {
                let name = request.user.as_ref().map(|user| user.username.clone());
                passwords.push((i, std::mem::take(text), name.unwrap_or_default()));
            }
            parsed.extend(bad.check_message(&path(i), parse(request)).map(|user| (i, user)));
        }
        check_distinct(&parsed, &path, &mut bad);
        if passwords.len() > MAX_PASSWORDS {
            let rule = "must have at most 10 requests with a password; send the others in more \
                        batches, or send hashes";
            bad.check::<()>("requests", Err(rule.into()));
            return Err(bad.into());
        }
        let mut hashes = HashMap::new();
        for (i, text, username) in passwords {
            let rated = self.hashing.hash_chosen(source, text, &username).await?;
            hashes.extend(bad.check_message(&path(i), in_field("password", rated)).map(|h| (i, h)));
        }
        if !bad.is_empty() {
            return Err(bad.into());
        }
        // Ids that were chosen by the client, by the position of their user: a retry has the same.
        let chosen: Vec<_> = parsed.iter().map(|(_, parsed)| parsed.id).collect();
        let request_ids = request_id.map(|id| item_ids(id, parsed.len()));
        let new = parsed.into_iter().map(|(i, parsed)| NewUser {
            id: parsed.id.unwrap_or_else(UserId::generate),
            username: parsed.username,
            password_hash: { hashes.remove(&i).or(parsed.hash) }
                .unwrap_or_else(|| self.hashing.without_password()),
            roles: parsed.roles,
            disabled: parsed.disabled,
            request_id: request_ids.as_ref().map(|ids| ids[i]),
        });
        let new: Vec<_> = new.collect();
        match users::create(&self.db, actor, &new).await {
            Ok(users) => {
                for user in &users {
                    events::log_change(&Event::UserCreated.name(), user.id, actor);
                }
                Ok(users)
            }
            Err(error @ (Error::UsernameTaken | Error::UserIdTaken | Error::RequestIdReused)) => {
                if let Some(ids) = request_ids
                    && let Some(before) = self.created_before(&ids, &new, &chosen).await?
                {
                    return Ok(before);
                }
                match users::find_taken(&self.db, &new).await? {
                    Some((i, error)) => {
                        Err(Error::InBatch { field: path(i), error: Box::new(error) })
                    }
                    None => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The users that the same request has created before; `None` if it has created none. Another
    /// request with this id differs in a field that is not secret.
    ///
    /// # Errors
    /// [`Error::RequestIdReused`]
    async fn created_before(
        &self,
        request_ids: &[Uuid],
        new: &[NewUser],
        chosen: &[Option<UserId>],
    ) -> Result<Option<Vec<User>>, Error> {
        let found = users::find_by_request_ids(&self.db, request_ids).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let mut found: HashMap<_, _> = found.into_iter().collect();
        let same = new.iter().zip(chosen).zip(request_ids).map(|((new, chosen), request_id)| {
            found.remove(request_id).filter(|user| {
                user.username == new.username
                    && user.roles == new.roles
                    && user.disabled == new.disabled
                    && user.delete_time.is_none()
                    && chosen.is_none_or(|id| id == user.id)
            })
        });
        let same: Option<Vec<_>> = same.collect();
        // What is left was created by a longer batch.
        same.filter(|_| found.is_empty()).map(Some).ok_or(Error::RequestIdReused)
    }
}

/// Reads a request to create a user, without its password and its `request_id`.
fn parse(request: pb::CreateUserRequest) -> Result<Parsed, FieldViolations> {
    let mut bad = FieldViolations::new();
    let id = match &*request.user_id {
        "" => Some(None),
        id => bad.check("user_id", ids::parse(id)).map(|id| Some(id.into())),
    };
    let hash = match &request.credential {
        Some(Credential::PasswordHash(text)) => {
            bad.check("password_hash", PasswordHash::import(text)).map(Some)
        }
        Some(Credential::Password(_)) | None => Some(None),
    };
    let Some(user) = request.user else {
        bad.check::<()>("user", Err("must be set".into()));
        return Err(bad);
    };
    let fields = bad.check_message("user", parse_fields(user));
    let all = || {
        let (username, roles, disabled) = fields?;
        Some(Parsed { id: id?, username, roles, disabled, hash: hash? })
    };
    bad.or(all())
}

fn parse_fields(user: pb::User) -> Result<(Username, Roles, bool), FieldViolations> {
    let mut bad = FieldViolations::new();
    // A reserved name, too: it is the operator's to give.
    let username = bad.check("username", Username::parse(&user.username));
    let roles = convert::roles(user.roles, &mut bad);
    bad.or(username.zip(roles).map(|(username, roles)| (username, roles, user.disabled)))
}

fn in_field<T>(field: &str, parsed: Result<T, Invalid>) -> Result<T, FieldViolations> {
    let mut bad = FieldViolations::new();
    bad.check(field, parsed).ok_or(bad)
}

/// Names each user whose username or id an earlier one of the batch has.
fn check_distinct(
    parsed: &[(usize, Parsed)],
    path: impl Fn(usize) -> String,
    bad: &mut FieldViolations,
) {
    let (mut names, mut ids) = (HashMap::new(), HashMap::new());
    for (i, user) in parsed {
        if let Some(first) = earlier(&mut names, user.username.to_string(), *i) {
            let rule = Invalid(format!("must differ from that of {}", path(first)).into());
            bad.check::<()>(&format!("{}.user.username", path(*i)), Err(rule));
        }
        if let Some(first) = user.id.and_then(|id| earlier(&mut ids, id, *i)) {
            let rule = Invalid(format!("must differ from that of {}", path(first)).into());
            bad.check::<()>(&format!("{}.user_id", path(*i)), Err(rule));
        }
    }
}

/// The position at which this key was seen before, if any.
fn earlier<K: Eq + Hash>(seen: &mut HashMap<K, usize>, key: K, position: usize) -> Option<usize> {
    let first = *seen.entry(key).or_insert(position);
    (first != position).then_some(first)
}

/// The request ids of the users of a batch, and one more, which only a longer batch has used. The
/// first is the id of the request itself, so that all requests that create users share their ids.
fn item_ids(request_id: Uuid, users: usize) -> Vec<Uuid> {
    let derived = (1..=users).map(|i| {
        let text = format!("tandem: user {i} of request {request_id}");
        let hash = digest(&SHA256, text.as_bytes());
        let bytes = hash.as_ref()[..16].try_into().expect("SHA-256 has 32 bytes");
        Builder::from_custom_bytes(bytes).into_uuid()
    });
    [request_id].into_iter().chain(derived).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_a_batch_begin_with_that_of_the_request_and_differ() {
        let request_id = Uuid::now_v7();
        let ids = item_ids(request_id, 1_000);
        assert_eq!((ids[0], ids.len()), (request_id, 1_001));
        assert_eq!(ids, item_ids(request_id, 1_000));
        assert!(item_ids(Uuid::now_v7(), 1_000).iter().all(|id| !ids.contains(id)));
        assert_eq!(ids.iter().collect::<std::collections::HashSet<_>>().len(), ids.len());
    }
}
