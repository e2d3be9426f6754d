//! Streams of an HTTP/2 connection: an answer waits for its client for a while, not for ever.

use std::{sync::Arc, time::Duration};

use hyper::rt::Executor;
use tokio::{sync::Notify, time::sleep};

tokio::task_local! {
    static ANSWERED: Arc<Notify>;
}

/// Runs the streams of a connection. One whose answer is made and not taken within `patience` is
/// reset: the client may keep its window shut, and the answer is held in memory meanwhile.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) patience: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let patience = self.patience;
        let answered = Arc::new(Notify::new());
        tokio::spawn(async move {
            tokio::select! {
                biased;
                _ = ANSWERED.scope(answered.clone(), stream) => {}
                () = async { answered.notified().await; sleep(patience).await } => {
                    tracing::debug!("nobody has taken an answer: it is given up");
                }
            }
        });
    }
}

/// The call of this stream is answered, at once and not bit by bit.
pub(super) fn is_answered() {
    // There is no stream with HTTP/1.
    let _ = ANSWERED.try_with(|answered| answered.notify_one());
}
