//! Lists tasks, page by page.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use proto::task::v1 as pb;
use shared::{
    error::Error,
    ids::UserId,
    page::{self, PageSize},
};

use super::{Tasks, pages::Page};
use crate::{
    domain::{list::List, task::Task},
    store::tasks::{self, Wanted},
};

impl Tasks {
    /// The page behind this token, which is the first one's if it is empty.
    pub(super) async fn page(
        &self,
        owner: UserId,
        size: PageSize,
        list: &List,
        token: &str,
    ) -> Result<pb::encoded::ListTasksResponse, Error> {
        if token.is_empty() && list.is_plain() {
            return self.first_page(owner, size, list).await;
        }
        let key = self.page_token_key().await?;
        let cursor = key.open(owner, &list.name(), token)?;
        let found = tasks::list(&self.db, owner, list, cursor.as_ref(), size.get() + 1).await?;
        self.answer(owner, size, list, found).await
    }

    /// The first page of a client without a special wish: the one that is remembered, if the
    /// database says that it is still so.
    async fn first_page(
        &self,
        owner: UserId,
        size: PageSize,
        list: &List,
    ) -> Result<pb::encoded::ListTasksResponse, Error> {
        let asked = Instant::now();
        let remembered = self.pages.get(owner, size);
        let known = remembered.as_ref().map(|page| page.version);
        let wanted = Wanted { owner, limit: size.get() + 1, known };
        let Some(read) = self.first_pages.call(wanted).await? else {
            self.pages.is_unchanged();
            let page = remembered.expect("only what is known is unchanged");
            return Ok(page.answer.clone());
        };
        let answer = self.answer(owner, size, list, read.tasks).await?;
        let page = Page { version: read.version, size, answer: answer.clone(), asked };
        self.pages.insert(owner, page);
        Ok(answer)
    }

    /// The page that begins with the tasks that were found for it.
    async fn answer(
        &self,
        owner: UserId,
        size: PageSize,
        list: &List,
        found: Vec<Task>,
    ) -> Result<pb::encoded::ListTasksResponse, Error> {
        let (tasks, has_more) = page::cut(found, size, Task::bytes);
        let next_page_token = match tasks.last().filter(|_| has_more) {
            Some(task) => {
                let key = self.page_token_key().await?;
                key.seal(owner, &list.name(), &list.order.cursor(task))
            }
            None => String::new(),
        };
        Ok(pb::encoded::ListTasksResponse { tasks: encode(tasks), next_page_token })
    }
}

/// The tasks as they go over the wire, one after the other in memory.
fn encode(tasks: Vec<Task>) -> Vec<Bytes> {
    let tasks: Vec<pb::Task> = tasks.into_iter().map(Into::into).collect();
    let mut buffer = BytesMut::with_capacity(tasks.iter().map(pb::Task::encoded_len).sum());
    let encoded = tasks.iter().map(|task| {
        task.encode(&mut buffer).expect("the buffer grows");
        buffer.split().freeze()
    });
    encoded.collect()
}
