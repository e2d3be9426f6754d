//! Clients of the seed: the calls of task-service and auth-service, in its HTTP API.

use anyhow::ensure;
use bytes::Bytes;
use http::{Method, uri::PathAndQuery};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    load::{Call, Client},
    workload::{Kind, PAGE, PASSWORD, TaskCalls, changed_title, new_description, new_title},
};

/// A client that calls about tasks.
pub(super) struct SeedTaskClient {
    calls: TaskCalls,
    /// The owner whose tasks only this client changes.
    own: u64,
    count: usize,
    expected: Option<u64>,
}

/// The part of a task that is checked.
#[derive(Deserialize)]
struct Task {
    id: u64,
}

impl SeedTaskClient {
    /// The client with this number, which decides whose tasks it changes.
    pub(super) fn new(calls: TaskCalls, number: usize) -> Self {
        let own = calls.population.owner(number);
        Self { calls, own, count: 0, expected: None }
    }

    fn call(&self, method: Method, path: &str, owner: u64, body: Option<&Value>) -> Call {
        Call {
            method,
            path: PathAndQuery::try_from(path).expect("numbers are valid in a path"),
            content_type: "application/json",
            authorization: Some(self.calls.tokens.of(owner)),
            body: body.map(|body| body.to_string().into()).unwrap_or_default(),
        }
    }
}

impl Client for SeedTaskClient {
    fn next(&mut self) -> Call {
        self.count += 1;
        let TaskCalls { mix, population, .. } = self.calls;
        let owner = population.any_owner();
        self.expected = None;
        match mix.any() {
            Kind::Get => {
                let task = population.any_task(owner);
                self.expected = Some(task);
                self.call(Method::GET, &format!("/tasks/{task}"), owner, None)
            }
            Kind::List | Kind::ListUnseen => self.call(Method::GET, "/tasks/", owner, None),
            Kind::Create => {
                let task =
                    json!({ "title": new_title(self.count), "description": new_description() });
                self.call(Method::POST, "/tasks/", owner, Some(&task))
            }
            Kind::Update => {
                let task = population.newest_task(self.own) - (self.count % PAGE) as u64;
                self.expected = Some(task);
                let title = changed_title(self.count);
                let change = json!({ "title": title, "is_complete": self.count.is_multiple_of(2) });
                self.call(Method::PUT, &format!("/tasks/{task}"), self.own, Some(&change))
            }
        }
    }

    fn check(&mut self, response: Bytes) -> anyhow::Result<()> {
        if let Some(expected) = self.expected {
            let Task { id } = serde_json::from_slice(&response)?;
            ensure!(id == expected, "the response is another task");
        }
        ensure!(response.len() > 2, "the response is empty");
        Ok(())
    }
}

/// A client that logs in over and over.
pub(super) struct SeedLoginClient {
    username: String,
}

impl SeedLoginClient {
    pub(super) fn new(username: String) -> Self {
        Self { username }
    }
}

impl Client for SeedLoginClient {
    fn next(&mut self) -> Call {
        Call {
            method: Method::POST,
            path: PathAndQuery::from_static("/token"),
            content_type: "application/x-www-form-urlencoded",
            authorization: None,
            body: format!("username={}&password={PASSWORD}", self.username).into(),
        }
    }

    fn check(&mut self, response: Bytes) -> anyhow::Result<()> {
        let response: Value = serde_json::from_slice(&response)?;
        ensure!(response["access_token"].is_string(), "the response has no access token");
        Ok(())
    }
}
