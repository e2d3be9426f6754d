//! The same calls as of task-service and auth-service, in the words of the seed's API.

use std::sync::Arc;

use anyhow::ensure;
use bytes::Bytes;
use http::{Method, uri::PathAndQuery};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    environment::{Population, Tokens},
    load::{Call, Caller},
    workload::{Kind, Mix, PAGE, PASSWORD, new_description, new_title},
};

/// Somebody who calls about tasks.
pub(crate) struct SeedCaller {
    mix: Mix,
    population: Population,
    tokens: Arc<Tokens>,
    own: u64,
    count: usize,
    expected: Option<u64>,
}

/// Of a task, what is looked at.
#[derive(Deserialize)]
struct Task {
    id: u64,
}

impl SeedCaller {
    /// One of those who call at once; `number` counts them.
    pub(crate) fn new(
        mix: Mix,
        population: Population,
        tokens: Arc<Tokens>,
        number: usize,
    ) -> Self {
        let own = population.owner(number);
        Self { mix, population, tokens, own, count: 0, expected: None }
    }

    fn call(&self, method: Method, path: &str, owner: u64, body: Option<&Value>) -> Call {
        Call {
            method,
            path: PathAndQuery::try_from(path).expect("numbers are good in a path"),
            content_type: "application/json",
            authorization: Some(self.tokens.of(owner)),
            body: body.map(|body| body.to_string().into()).unwrap_or_default(),
        }
    }
}

impl Caller for SeedCaller {
    fn next(&mut self) -> Call {
        self.count += 1;
        let owner = self.population.any_owner();
        self.expected = None;
        match self.mix.any() {
            Kind::Get => {
                let task = self.population.any_task(owner);
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
                let newest = self.own * 1000 + self.population.tasks_per_owner - 1;
                let task = newest - (self.count % PAGE) as u64;
                self.expected = Some(task);
                let title = format!("Water the plants on the terrace, no. {}", self.count);
                let change = json!({ "title": title, "is_complete": self.count.is_multiple_of(2) });
                self.call(Method::PUT, &format!("/tasks/{task}"), self.own, Some(&change))
            }
        }
    }

    fn check(&mut self, answer: Bytes) -> anyhow::Result<()> {
        if let Some(expected) = self.expected {
            let Task { id } = serde_json::from_slice(&answer)?;
            ensure!(id == expected, "it is another task");
        }
        ensure!(answer.len() > 2, "there is nothing in the answer");
        Ok(())
    }
}

/// Somebody who logs in over and over.
pub(crate) struct SeedLogin {
    username: String,
}

impl SeedLogin {
    pub(crate) fn new(username: String) -> Self {
        Self { username }
    }
}

impl Caller for SeedLogin {
    fn next(&mut self) -> Call {
        Call {
            method: Method::POST,
            path: PathAndQuery::from_static("/token"),
            content_type: "application/x-www-form-urlencoded",
            authorization: None,
            body: format!("username={}&password={PASSWORD}", self.username).into(),
        }
    }

    fn check(&mut self, answer: Bytes) -> anyhow::Result<()> {
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["access_token"].is_string(), "there is no access token");
        Ok(())
    }
}
