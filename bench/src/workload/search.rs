//! A client that searches all tasks of one user for a text that none of them has.

use bytes::Bytes;
use http::HeaderValue;
use prost::Message as _;
use proto::task::v1 as pb;

use super::tasks::LIST;
use crate::load::{Call, Client};

pub(crate) struct SearchClient {
    authorization: HeaderValue,
}

impl SearchClient {
    pub(crate) fn new(authorization: HeaderValue) -> Self {
        Self { authorization }
    }
}

impl Client for SearchClient {
    fn next(&mut self) -> Call {
        let text = "no task has this text".to_owned();
        let filter = Some(pb::TaskFilter { text, ..Default::default() });
        let request = pb::ListTasksRequest { filter, ..Default::default() };
        Call::grpc(LIST, Some(self.authorization.clone()), &request)
    }

    fn check(&mut self, response: Bytes) -> anyhow::Result<()> {
        let tasks = pb::encoded::ListTasksResponse::decode(response)?.tasks;
        anyhow::ensure!(tasks.is_empty(), "the search found {} tasks", tasks.len());
        Ok(())
    }
}
