//! The calls that clients make.

use crate::environment::Owners;

mod clients;
mod search;
mod sessions;
mod tasks;

pub(crate) use self::{
    clients::Clients,
    search::SearchClient,
    sessions::PASSWORD,
    tasks::{Kind, Mix, PAGE, TaskCalls, changed_title, new_description, new_title},
};

/// Calls that are made over and over, under a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What `--help` says of it.
    pub(crate) about: &'static str,
    pub(crate) calls: Calls,
}

/// The calls of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Calls {
    /// About tasks of these owners.
    Tasks(Mix, Owners),
    /// Logins with a password.
    Login,
    /// Refreshes of sessions.
    Refresh,
}

/// Every workload. Reads come first, so that they find the tables as they were created.
pub(crate) const WORKLOADS: [Workload; 12] = [
    tasks("get", "get a random task", Mix::GET, Owners::Large),
    tasks("get-10", "the same of 10 owners", Mix::GET, Owners::Few),
    tasks("get-100k", "the same of 100,000 owners with one task each", Mix::GET, Owners::Small),
    tasks("list", "list the first page of 50 tasks", Mix::LIST, Owners::Large),
    tasks("list-unseen", "list 26 to 75 tasks: few cache hits", Mix::LIST_UNSEEN, Owners::Large),
    tasks("update", "update two fields, with an etag", Mix::UPDATE, Owners::Large),
    tasks("create", "create a task", Mix::CREATE, Owners::Large),
    tasks("create-10", "the same for 10 owners", Mix::CREATE, Owners::Few),
    tasks("create-100k", "the same for 100,000 owners", Mix::CREATE, Owners::Small),
    tasks("mixed", "70 % get, 20 % list, 7 % create, 3 % update", Mix::MIXED, Owners::Large),
    Workload { name: "login", about: "log in: bcrypt at cost 12", calls: Calls::Login },
    Workload { name: "refresh", about: "refresh a session", calls: Calls::Refresh },
];

const fn tasks(name: &'static str, about: &'static str, mix: Mix, owners: Owners) -> Workload {
    Workload { name, about, calls: Calls::Tasks(mix, owners) }
}

impl Workload {
    /// The workload of this name.
    pub(crate) fn named(name: &str) -> &'static Self {
        WORKLOADS.iter().find(|workload| workload.name == name).expect("callers use known names")
    }
}
