//! What callers ask for.

use crate::environment::Owners;

mod sessions;
mod tasks;

pub(crate) use self::{
    sessions::{LoginCaller, PASSWORD, RefreshCaller},
    tasks::{Kind, Mix, PAGE, TaskCaller, new_description, new_title},
};

/// What is asked of a service over and over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) calls: Calls,
}

/// The calls of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Calls {
    /// About tasks of these owners.
    Tasks(Mix, Owners),
    /// By people with a password.
    Login,
    /// By people with a refresh token.
    Refresh,
}

/// Every workload. Reads come first: they shall find the tables as they were made.
pub(crate) const WORKLOADS: [Workload; 12] = [
    Workload { name: "get", calls: Calls::Tasks(Mix::GET, Owners::Large) },
    Workload { name: "get-10", calls: Calls::Tasks(Mix::GET, Owners::Few) },
    Workload { name: "get-100k", calls: Calls::Tasks(Mix::GET, Owners::Small) },
    Workload { name: "list", calls: Calls::Tasks(Mix::LIST, Owners::Large) },
    Workload { name: "list-unseen", calls: Calls::Tasks(Mix::LIST_UNSEEN, Owners::Large) },
    Workload { name: "update", calls: Calls::Tasks(Mix::UPDATE, Owners::Large) },
    Workload { name: "create", calls: Calls::Tasks(Mix::CREATE, Owners::Large) },
    Workload { name: "create-10", calls: Calls::Tasks(Mix::CREATE, Owners::Few) },
    Workload { name: "create-100k", calls: Calls::Tasks(Mix::CREATE, Owners::Small) },
    Workload { name: "mixed", calls: Calls::Tasks(Mix::MIXED, Owners::Large) },
    Workload { name: "login", calls: Calls::Login },
    Workload { name: "refresh", calls: Calls::Refresh },
];

impl Workload {
    /// The workload of this name.
    pub(crate) fn named(name: &str) -> &'static Self {
        WORKLOADS.iter().find(|workload| workload.name == name).expect("the names are constants")
    }

    /// What pgbench does in its place, if it is of one kind.
    pub(crate) fn script(&self) -> Option<&'static str> {
        match self.calls {
            Calls::Tasks(Mix { get: 100, .. }, _) => Some(include_str!("../sql/get.sql")),
            Calls::Tasks(Mix { list: 100, .. } | Mix { list_unseen: 100, .. }, _) => {
                Some(include_str!("../sql/list.sql"))
            }
            Calls::Tasks(Mix { create: 100, .. }, _) => Some(include_str!("../sql/create.sql")),
            Calls::Tasks(Mix { update: 100, .. }, _) => Some(include_str!("../sql/update.sql")),
            Calls::Tasks(..) | Calls::Login | Calls::Refresh => None,
        }
    }
}
