//! The cache of first pages, encoded. Every hit is revalidated against the database: a hit saves
//! reading and encoding the tasks, not the call to the database.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use proto::task::v1 as pb;
use quick_cache::{Weighter, sync::Cache};
use shared::{ids::UserId, page::PageSize};
use tandem_server::metrics::{IntCounter, Metrics};

use crate::store::tasks::Version;

/// How old a cached page can be. Every change that the service makes gives a new version; this
/// bounds how long a change made by hand in SQL stays invisible.
const MAX_AGE: Duration = Duration::from_mins(1);

/// The estimate from which the cache chooses its number of shards: at most eight, so that each has
/// room for the largest page, of a mebibyte.
const ESTIMATED_PAGES: usize = 256;

/// What an entry takes beside its tasks, in bytes: its slot, and the ghosts of evicted entries.
const OVERHEAD: usize = 256;

/// The first page of an owner, in one version and one size.
pub(super) struct CachedPage {
    pub(super) version: Version,
    pub(super) size: PageSize,
    pub(super) answer: pb::encoded::ListTasksResponse,
    /// When the call that read it began.
    pub(super) read_at: Instant,
}

/// One page for each owner, so that no owner can evict those of all others.
pub(crate) struct FirstPageCache {
    pages: Cache<UserId, Arc<CachedPage>, InBytes>,
    unchanged: IntCounter,
    read: IntCounter,
}

/// The memory that a page takes.
#[derive(Clone)]
struct InBytes;

impl Weighter<UserId, Arc<CachedPage>> for InBytes {
    fn weight(&self, _: &UserId, page: &Arc<CachedPage>) -> u64 {
        let tasks = page.answer.tasks.iter();
        let bytes: usize = tasks.map(|task| size_of_val(task) + task.len()).sum();
        (OVERHEAD + page.answer.next_page_token.len() + bytes) as u64
    }
}

impl FirstPageCache {
    /// An empty cache of at most `max_bytes`.
    pub(crate) fn new(max_bytes: u64, metrics: &Metrics) -> Self {
        let name = "tandem_task_first_pages_total";
        let help = "First pages of unfiltered lists: unchanged since they were cached, or read.";
        let first_pages = (name, help);
        let [unchanged, read] = metrics.counters(first_pages, "result", ["unchanged", "read"]);
        let pages = Cache::with_weighter(ESTIMATED_PAGES, max_bytes, InBytes);
        Self { pages, unchanged, read }
    }

    /// The owner's cached page, if it has this size. It may be stale.
    pub(super) fn get(&self, owner: UserId, size: PageSize) -> Option<Arc<CachedPage>> {
        let page = self.pages.get(&owner)?;
        (page.size == size && page.read_at.elapsed() < MAX_AGE).then_some(page)
    }

    /// Caches a page that was read, and evicts another page of the owner.
    pub(super) fn insert(&self, owner: UserId, page: CachedPage) {
        self.read.inc();
        self.pages.insert(owner, Arc::new(page));
    }

    /// Counts a hit that the database has confirmed.
    pub(super) fn count_unchanged(&self) {
        self.unchanged.inc();
    }
}

#[cfg(test)]
mod tests {
    use shared::time;

    use super::*;

    /// An empty page of this age.
    fn page(page_size: i32, age: Duration) -> CachedPage {
        let version = Version { revision: 1, server_start: time::now() };
        let size = PageSize::parse(page_size).unwrap();
        let read_at = Instant::now().checked_sub(age).expect("the machine has run for longer");
        CachedPage { version, size, answer: pb::encoded::ListTasksResponse::default(), read_at }
    }

    #[test]
    fn a_page_is_cached_for_one_minute_and_one_size() {
        let cache = FirstPageCache::new(1 << 20, &Metrics::default());
        let (owner, size) = (UserId::generate(), PageSize::parse(50).unwrap());
        for (page_size, age, is_hit) in [
            (50, Duration::ZERO, true),
            (49, Duration::ZERO, false),
            (50, MAX_AGE / 2, true),
            (50, MAX_AGE, false),
        ] {
            cache.insert(owner, page(page_size, age));
            assert_eq!(cache.get(owner, size).is_some(), is_hit, "{page_size}, {age:?}");
        }
    }

    #[test]
    fn empty_pages_count_towards_the_limit() {
        let cache = FirstPageCache::new(1 << 20, &Metrics::default());
        for _ in 0..10_000 {
            cache.insert(UserId::generate(), page(50, Duration::ZERO));
        }
        assert!((1000..=4096).contains(&cache.pages.len()), "{}", cache.pages.len());
    }
}
