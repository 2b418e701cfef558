//! A stream of events that stays open: server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use service_edge::retry::{Backoff, Stopping};
use shared_events::lane::PositionToken;
use tokio::sync::OwnedSemaphorePermit;

use super::{is_own, pages};
use crate::http::request::ReadOptions;
use crate::pipeline::log_client::Line;
use crate::projection_set::ProjectionSet;
use crate::projections::stock::Stock;
use crate::projections::view::View;

/// How many events are read at a time, and kept in memory.
const PAGE_LEN: usize = 500;

/// How often an idle stream sends a comment, so that no proxy closes it.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a stream waits for news before it checks which version of the projection answers now.
const VERSION_CHECK: Duration = Duration::from_secs(1);

/// The longest pause between two requests to the log.
const LOG_PAUSE_MAX: Duration = Duration::from_secs(2);

/// A stream of the events after a position, as they are applied, until the client leaves or the service
/// stops. The client's pace limits how fast the log is read, so at most one page is kept in memory.
pub(super) fn open(
    projections: ProjectionSet,
    after: PositionToken,
    options: ReadOptions,
    permit: OwnedSemaphorePermit,
) -> Response {
    let feed = Feed { projections, after, options, page: VecDeque::new(), _permit: permit };
    let events = stream::unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)).into_response()
}

struct Feed {
    projections: ProjectionSet,
    /// The position after the last event that was sent.
    after: PositionToken,
    /// Whose stream it is. It ends when the credential does.
    options: ReadOptions,
    page: VecDeque<Line>,
    /// Released when the stream ends.
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// The next event, once there is one; `None` when the service stops or the credential ends.
    async fn next(&mut self) -> Option<Event> {
        let stop = self.projections.stop().clone();
        while self.options.hold() {
            if self.page.is_empty() {
                self.page = stop.run_until_cancelled(self.next_page()).await?.ok()?;
            }
            let Some(line) = self.page.pop_front() else { continue };
            self.after.reach(line.id.0, line.id.1);
            if is_own(&line, self.options.locations()) {
                return Some(Event::default().id(self.after.to_string()).data(line.json));
            }
        }
        None
    }

    /// Waits for events and reads them; none once the credential has ended.
    async fn next_page(&self) -> Result<VecDeque<Line>, Stopping> {
        let mut backoff = Backoff::up_to(LOG_PAUSE_MAX);
        loop {
            if !self.options.hold() {
                return Ok(VecDeque::new());
            }
            // A different version may answer by now, and this one may no longer be updated.
            let service = self.projections.active(Stock::PROJECTION);
            let news = service.progress.news(&self.after);
            let Ok(applied) = tokio::time::timeout(VERSION_CHECK, news).await else {
                continue;
            };
            match pages::next(&service.log, &self.after, &applied, PAGE_LEN).await {
                Ok(page) if !page.is_empty() => return Ok(page.into()),
                Ok(_) => tracing::debug!("the log does not have the applied events"),
                Err(error) => tracing::debug!(%error, "the log cannot be read for a feed"),
            }
            backoff.pause(self.projections.stop()).await?;
        }
    }
}
