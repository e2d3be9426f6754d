//! Refolds stored texts after the form for searches has changed, in batches. Any number of
//! replicas can do so at once; after a restart a pass continues where it was.

use std::{convert::Infallible, time::Duration};

use shared::{error::Error, time::jitter};
use sqlx::PgPool;
use tokio::time::sleep;

use crate::{
    domain::folded::Folded,
    store::refolds::{self, Batch, StoredText},
};

/// The most tasks that one statement reads: at most 20 MB of text.
const BATCH: i64 = 200;

/// Makes the passes that are due, once in each `interval` (jitter ±10 %). A pass that fails
/// continues in the next one.
pub(crate) async fn refold_forever(db: &PgPool, interval: Duration) -> Infallible {
    loop {
        sleep(jitter(interval)).await;
        if let Err(error) = refold(db).await {
            tracing::warn!(cause = error.causes(), "folding of stored texts failed");
        }
    }
}

async fn refold(db: &PgPool) -> Result<(), Error> {
    while let Some(Batch { pass, tasks }) = refolds::next(db, BATCH).await? {
        let Some(last) = tasks.last().map(|task| (task.owner_id, task.id)) else {
            refolds::end(db, pass).await?;
            tracing::info!(pass, "stored texts refolded");
            continue;
        };
        let changed: Vec<_> = tasks.into_iter().filter_map(refolded).collect();
        refolds::advance(db, pass, &changed, last).await?;
    }
    Ok(())
}

/// The texts with another folded form, or `None` if it is the same.
fn refolded(text: StoredText) -> Option<StoredText> {
    let title_folded = Folded::of(&text.title);
    let description_folded = Folded::of(&text.description);
    let is_same =
        title_folded == text.title_folded && description_folded == text.description_folded;
    (!is_same).then_some(StoredText { title_folded, description_folded, ..text })
}
