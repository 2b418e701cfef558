//! Reads what Kafka did not bring from the log, a page at a time.

use std::sync::Arc;

use service_edge::outage::Outage;
use service_edge::retry::Backoff;
use shared_events::lane::{Lane, Position};

use crate::pipeline::context::Context;
use crate::pipeline::delivery::Delivery;
use crate::pipeline::log_client::LogError;

/// Fetches the page after a position in the background, and retries until it succeeds. The runner fetches
/// one page of a lane at a time, so the number of tasks is bounded by the number of lanes.
pub fn fetch(context: &Arc<Context>, lane: Lane, after: Position) {
    let context = Arc::clone(context);
    tokio::spawn(async move {
        context.stop.run_until_cancelled(fetch_with_retry(&context, lane, after)).await;
    });
}

/// One for all lanes and projections, which ask the same log.
static OUTAGE: Outage = Outage::none();

async fn fetch_with_retry(context: &Context, lane: Lane, after: Position) {
    let mut backoff = Backoff::up_to(context.config.projection.retry_pause_max_ms.0);
    while let Err(error) = fetch_once(context, lane, after).await {
        if let Some(failures) = OUTAGE.failed() {
            tracing::warn!(%lane, position = %after, %error, failures, "the log cannot be read, trying again");
        }
        if backoff.pause(&context.stop).await.is_err() {
            return;
        }
    }
    if OUTAGE.is_over() {
        tracing::info!("the log is read again");
    }
}

async fn fetch_once(context: &Context, lane: Lane, after: Position) -> Result<(), LogError> {
    // The permit is held until the runner takes the page, so waiting pages are bounded too.
    let _permit = context.fetches.acquire().await.expect("the permits are never closed");
    let page = context.log.events_after(lane, after).await?;
    // A closed inbox means that the service is stopping.
    let _ = context.subscription.inbox.send(Delivery::Page(page)).await;
    Ok(())
}
