//! First pages as they were last read, encoded. One is never told without asking the database
//! whether it is still so: what is spared is to read it and to encode it again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::task::v1 as pb;
use quick_cache::{Weighter, sync::Cache};
use shared::{ids::UserId, page::PageSize};
use tandem_server::metrics::{IntCounter, Metrics};

use crate::store::tasks::Version;

/// For how long one is remembered. The version says whether it has changed, as long as all who
/// change tasks take a revision: this bounds what comes of it if somebody does not.
const MAX_AGE: Duration = Duration::from_mins(1);

/// How many there may be at first. The memory is divided among shards, and by this into no more
/// than eight: each should have room for the largest page, of a mebibyte.
const EXPECTED: usize = 256;

/// What one takes beside its tasks, in bytes: its place, and the traces of those who had it before.
const OVERHEAD: usize = 256;

/// A page of so many tasks at most, as they are in this version.
pub(super) struct Page {
    pub(super) version: Version,
    pub(super) size: PageSize,
    pub(super) answer: pb::encoded::ListTasksResponse,
    /// Before it was read.
    pub(super) asked: Instant,
}

/// One page of each owner, so that none pushes out those of all others; those that are used least
/// make room.
pub(crate) struct Pages {
    remembered: Cache<UserId, Arc<Page>, InBytes>,
    unchanged: IntCounter,
    read: IntCounter,
}

/// What a page takes of the memory.
#[derive(Clone)]
struct InBytes;

impl Weighter<UserId, Arc<Page>> for InBytes {
    fn weight(&self, _: &UserId, page: &Arc<Page>) -> u64 {
        let tasks = page.answer.tasks.iter();
        let bytes: usize = tasks.map(|task| size_of_val(task) + task.len()).sum();
        (OVERHEAD + page.answer.next_page_token.len() + bytes) as u64
    }
}

impl Pages {
    /// No pages yet, and never more than so many bytes of them.
    pub(crate) fn new(max_bytes: u64, metrics: &Metrics) -> Self {
        let name = "tandem_task_first_pages_total";
        let help = "First pages of plain lists: known and unchanged, or read anew.";
        let first_pages = (name, help);
        let [unchanged, read] = metrics.counters(first_pages, "result", ["unchanged", "read"]);
        let remembered = Cache::with_weighter(EXPECTED, max_bytes, InBytes);
        Self { remembered, unchanged, read }
    }

    /// The owner's page of this size as it was when it was last read.
    pub(super) fn get(&self, owner: UserId, size: PageSize) -> Option<Arc<Page>> {
        let page = self.remembered.get(&owner)?;
        (page.size == size && page.asked.elapsed() < MAX_AGE).then_some(page)
    }

    /// Keeps a page that was read, in the place of another one of the owner.
    pub(super) fn insert(&self, owner: UserId, page: Page) {
        self.read.inc();
        self.remembered.insert(owner, Arc::new(page));
    }

    /// Counts a page that was not read, since it is as it was.
    pub(super) fn is_unchanged(&self) {
        self.unchanged.inc();
    }
}

#[cfg(test)]
mod tests {
    use shared::time;

    use super::*;

    /// An empty page that was read so long ago.
    fn page(page_size: i32, age: Duration) -> Page {
        let version = Version { revision: 1, server_start: time::now() };
        let size = PageSize::parse(page_size).unwrap();
        let asked = Instant::now().checked_sub(age).expect("the machine runs for longer");
        Page { version, size, answer: pb::encoded::ListTasksResponse::default(), asked }
    }

    #[test]
    fn a_page_is_known_for_a_minute_and_in_its_size() {
        let pages = Pages::new(1 << 20, &Metrics::default());
        let (owner, size) = (UserId::generate(), PageSize::parse(50).unwrap());
        for (page_size, age, is_known) in [
            (50, Duration::ZERO, true),
            (49, Duration::ZERO, false),
            (50, MAX_AGE / 2, true),
            (50, MAX_AGE, false),
        ] {
            pages.insert(owner, page(page_size, age));
            assert_eq!(pages.get(owner, size).is_some(), is_known, "{page_size}, {age:?}");
        }
    }

    #[test]
    fn empty_pages_take_room_too() {
        let pages = Pages::new(1 << 20, &Metrics::default());
        for _ in 0..10_000 {
            pages.insert(UserId::generate(), page(50, Duration::ZERO));
        }
        assert!((1000..=4096).contains(&pages.remembered.len()), "{}", pages.remembered.len());
    }
}
