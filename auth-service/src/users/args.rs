//! The arguments of the commands, parsed.

use std::str::FromStr;

use shared::{
    error::{Error, Invalid},
    ids::{self, UserId},
};

use super::rejected;
use crate::domain::{
    role::{self, Roles},
    user::Username,
};

/// A user, named by the id or the username.
#[derive(Clone, Debug)]
pub(super) enum UserKey {
    Id(UserId),
    Username(Username),
}

impl FromStr for UserKey {
    type Err = String;

    /// No username is as long as an id with hyphens.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match ids::parse(text) {
            Ok(id) if text.len() > 32 => Ok(Self::Id(id.into())),
            _ => username(text).map(Self::Username),
        }
    }
}

/// A username; the operator may give a reserved one.
pub(super) fn username(text: &str) -> Result<Username, String> {
    Username::parse(text).map_err(rule)
}

/// The beginning of a username.
pub(super) fn username_prefix(text: &str) -> Result<String, String> {
    Username::parse_prefix(text).map_err(rule)
}

/// A role.
pub(super) fn role(text: &str) -> Result<String, String> {
    role::check(text).map(|()| text.to_owned()).map_err(rule)
}

/// The set of these roles.
pub(super) fn roles(texts: Vec<String>) -> Result<Roles, Error> {
    Roles::parse(texts).map_err(|broken| {
        let rules: Vec<_> = broken.into_iter().map(|(_, Invalid(rule))| rule).collect();
        rejected(format!("the roles {}", rules.join("; ")))
    })
}

fn rule(Invalid(rule): Invalid) -> String {
    rule.into_owned()
}
