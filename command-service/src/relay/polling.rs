//! Finds events that were not handed over: those of other instances, and those that did not fit.

use std::sync::Arc;
use std::time::Duration;

use service_edge::outage::Outage;
use tokio_util::sync::CancellationToken;

use super::database::Database;
use crate::relay_inbox::Inboxes;

/// The pause between two reads while the heads move, and the longest one while they do not.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Reads the heads of all open lanes until `stop` is cancelled: often while they move, and ever less
/// often while they do not.
pub(crate) async fn poll_heads(database: Database, inboxes: Arc<Inboxes>, stop: CancellationToken) {
    let mut pause = PAUSE_MIN;
    let outage = Outage::none();
    while stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        let open = inboxes.open();
        if open.is_empty() {
            pause = PAUSE_MAX;
            continue;
        }
        let news = match database.heads(&open).await {
            Ok(heads) => {
                if outage.is_over() {
                    tracing::info!("the relay reads the lane heads again");
                }
                heads
                    .into_iter()
                    .filter(|(lane, head)| {
                        inboxes.get(*lane).is_some_and(|inbox| inbox.learn(*head))
                    })
                    .count()
            }
            Err(error) => {
                if let Some(failures) = outage.failed() {
                    tracing::warn!(%error, failures, "the relay cannot read the lane heads");
                }
                0
            }
        };
        pause = if news > 0 { PAUSE_MIN } else { (pause * 2).min(PAUSE_MAX) };
    }
}
