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

use super::{Tasks, first_page_cache::CachedPage};
use crate::{
    domain::{list::List, task::Task},
    store::tasks::{self, FirstPageRequest, Listed},
};

impl Tasks {
    /// The page of this token; an empty token means the first page.
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
        let key = self.page_token_key(owner).await?;
        let cursor = key.open(owner, &list.name(), token)?;
        let mut db = self.admission.admit(owner).await?;
        let found = tasks::list(&mut db, owner, list, cursor.as_ref(), size.get() + 1).await;
        self.answer(owner, size, list, db.end(found)?).await
    }

    /// The first page of a plain list: the cached one, if the database confirms its version.
    async fn first_page(
        &self,
        owner: UserId,
        size: PageSize,
        list: &List,
    ) -> Result<pb::encoded::ListTasksResponse, Error> {
        let read_at = Instant::now();
        let cached = self.first_page_cache.get(owner, size);
        let version = cached.as_ref().map(|page| page.version);
        let request = FirstPageRequest { owner, limit: size.get() + 1, cached: version };
        let Some(read) = self.first_pages.call(request).await? else {
            self.first_page_cache.count_unchanged();
            let page = cached.expect("only a cached page can be unchanged");
            return Ok(page.answer.clone());
        };
        let listed = Listed { tasks: read.tasks, stopped_at: None };
        let answer = self.answer(owner, size, list, listed).await?;
        let page = CachedPage { version: read.version, size, answer: answer.clone(), read_at };
        self.first_page_cache.insert(owner, page);
        Ok(answer)
    }

    /// The answer for these tasks: as many as fit the page, and a token if there can be more.
    async fn answer(
        &self,
        owner: UserId,
        size: PageSize,
        list: &List,
        Listed { tasks, stopped_at }: Listed,
    ) -> Result<pb::encoded::ListTasksResponse, Error> {
        let (tasks, has_more) = page::cut(tasks, size, Task::bytes);
        let next = match tasks.last().filter(|_| has_more) {
            Some(task) => Some(list.order.cursor(task)),
            None => stopped_at,
        };
        let next_page_token = match next {
            Some(cursor) => self.page_token_key(owner).await?.seal(owner, &list.name(), &cursor),
            None => String::new(),
        };
        Ok(pb::encoded::ListTasksResponse { tasks: encode(tasks), next_page_token })
    }
}

/// The encoded tasks, in one buffer.
fn encode(tasks: Vec<Task>) -> Vec<Bytes> {
    let tasks: Vec<pb::Task> = tasks.into_iter().map(Into::into).collect();
    let mut buffer = BytesMut::with_capacity(tasks.iter().map(pb::Task::encoded_len).sum());
    let encoded = tasks.iter().map(|task| {
        task.encode(&mut buffer).expect("the buffer grows");
        buffer.split().freeze()
    });
    encoded.collect()
}
