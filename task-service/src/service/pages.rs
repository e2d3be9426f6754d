//! First pages as they were last read, encoded. One is never told without asking the database
//! whether it is still so: what is spared is to read it and to encode it again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::task::v1 as pb;
use quick_cache::{Weighter, sync::Cache};
use shared::{
    db::LastOutage,
    ids::UserId,
    metrics::{IntCounter, Metrics},
    page::PageSize,
};

/// For how long one is remembered. The revision of a feed says whether a page has changed, as long
/// as all who change tasks take one: this bounds what comes of it if somebody does not.
const MAX_AGE: Duration = Duration::from_mins(1);

/// How many there may be at first; there is room for more.
const EXPECTED: usize = 256;

/// A page, good while the owner's feed has this revision.
pub(super) struct Page {
    pub(super) revision: i64,
    pub(super) answer: pb::encoded::ListTasksResponse,
    /// Before it was read.
    pub(super) asked: Instant,
}

/// The pages of all owners, of the least used ones not.
pub(crate) struct Pages {
    remembered: Cache<(UserId, PageSize), Arc<Page>, Bytes>,
    last_outage: LastOutage,
    unchanged: IntCounter,
    read: IntCounter,
}

/// What a page takes of the memory.
#[derive(Clone)]
struct Bytes;

impl Weighter<(UserId, PageSize), Arc<Page>> for Bytes {
    fn weight(&self, _: &(UserId, PageSize), page: &Arc<Page>) -> u64 {
        let tasks = &page.answer.tasks;
        let bytes = tasks.iter().map(|task| size_of_val(task) + task.len()).sum::<usize>();
        (size_of::<Page>() + page.answer.next_page_token.len() + bytes) as u64
    }
}

impl Pages {
    /// No pages yet, and never more than so many bytes of them.
    pub(crate) fn new(max_bytes: u64, last_outage: LastOutage, metrics: &Metrics) -> Self {
        let name = "tandem_task_first_pages_total";
        let first_pages = (name, "First pages that were asked for.");
        let [unchanged, read] = metrics.counters(first_pages, "result", ["unchanged", "read"]);
        let remembered = Cache::with_weighter(EXPECTED, max_bytes, Bytes);
        Self { remembered, last_outage, unchanged, read }
    }

    /// The page as it was when it was last read.
    pub(super) fn get(&self, owner: UserId, size: PageSize) -> Option<Arc<Page>> {
        let page = self.remembered.get(&(owner, size))?;
        let age = page.asked.elapsed();
        (age < MAX_AGE && !self.last_outage.was_within(age)).then_some(page)
    }

    /// Keeps a page that was read.
    pub(super) fn insert(&self, owner: UserId, size: PageSize, page: Page) {
        self.read.inc();
        self.remembered.insert((owner, size), Arc::new(page));
    }

    /// Counts a page that was not read, since it is as it was.
    pub(super) fn is_unchanged(&self) {
        self.unchanged.inc();
    }
}
