//! Looks for events that nobody handed over: another instance's, or what did not fit.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Bounds;
use super::database::Database;
use super::handoff::Inboxes;

/// Asks for the heads of all open lanes, in one statement, until told to stop: soon again after
/// news, more and more slowly without.
pub(super) async fn poll_heads(
    database: Database,
    inboxes: Arc<Inboxes>,
    bounds: Bounds,
    stop: CancellationToken,
) {
    let mut wait = bounds.poll_min;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        let open = inboxes.open();
        if open.is_empty() {
            wait = bounds.poll_max;
            continue;
        }
        let news = match database.heads(&open).await {
            Ok(heads) => heads
                .into_iter()
                .filter(|(lane, head)| inboxes.get(*lane).is_some_and(|inbox| inbox.learn(*head)))
                .count(),
            Err(error) => {
                tracing::warn!(%error, "relay cannot read the heads of the lanes");
                0
            }
        };
        wait = if news > 0 { bounds.poll_min } else { (wait * 2).min(bounds.poll_max) };
    }
}
