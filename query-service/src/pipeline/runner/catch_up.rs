//! Compares lanes with the heads of the log, reads missing events from the log, and stops lanes that
//! cannot continue.

use std::collections::BTreeMap;
use std::time::Duration;

use service_edge::retry::{Backoff, Stopping};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::EventId;
use tokio::time::Instant;

use crate::metrics;
use crate::pipeline::apply;
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::{Heads, Page};
use crate::pipeline::fetcher::fetch;
use crate::pipeline::plan::{Arrivals, Stop};
use crate::pipeline::runner::{Compared, ProjectionRunner, Stopped};

/// When a lane has been behind for so long and did not move, it is read from the log. This leaves Kafka the
/// time to assign the lanes after a start. The time in which nothing was recorded does not count.
const BEHIND_MAX: Duration = Duration::from_secs(3);
/// The same while Kafka brings other lanes, because it may have a backlog.
const BEHIND_MAX_WHILE_KAFKA_BRINGS: Duration = Duration::from_secs(10);

impl ProjectionRunner {
    /// Reads a lane from the log until `seen`, a position known to exist, is applied.
    pub(super) fn catch_up(&mut self, lane: Lane, seen: Position) {
        if let Some(known) = self.fetching.get_mut(&lane) {
            *known = seen.max(*known);
            return;
        }
        let at = self.position(lane);
        tracing::warn!(%lane, position = %at, %seen, "events are missing, reading them from the log");
        metrics::gap_met(self.context.projection);
        self.fetching.insert(lane, seen);
        self.context.progress.set_catching_up(lane, true);
        fetch(&self.context, lane, at);
    }

    fn end_catch_up(&mut self, lane: Lane) {
        if self.fetching.remove(&lane).is_some() {
            self.context.progress.set_catching_up(lane, false);
        }
    }

    /// Applies a page of the log and fetches the next one, unless the lane has caught up.
    pub(super) async fn apply_page(&mut self, page: Page) -> Result<(), Stopping> {
        let Page { lane, after, events } = page;
        if !self.fetching.contains_key(&lane) {
            return Ok(());
        }
        self.apply_batch(Arrivals::from([(lane, events)])).await?;
        let at = self.position(lane);
        match self.fetching.get(&lane) {
            None => {}
            Some(seen) if at >= *seen => {
                tracing::info!(%lane, position = %at, "caught up from the log");
                self.end_catch_up(lane);
            }
            Some(_) if at > after => fetch(&self.context, lane, at),
            Some(seen) => {
                let error = format!("the log goes no further than {at}, but {seen} was seen");
                let event = EventId(lane, at.next()).to_string();
                self.stop_lane(lane, Stop { event, error }).await?;
            }
        }
        Ok(())
    }

    /// Compares the heads of the log with the checkpoints. A lane that is behind and has not moved for
    /// some time is read from the log, even if another instance should apply it.
    pub(super) async fn compare_heads(&mut self, heads: Heads) -> Result<(), Stopping> {
        let Heads { asked_at, lanes } = heads;
        // Every time, because a crash of the read database may have undone what is remembered here.
        self.reload().await?;
        let kafka_brings = std::mem::take(&mut self.kafka_brings);
        let behind_max = if kafka_brings { BEHIND_MAX_WHILE_KAFKA_BRINGS } else { BEHIND_MAX };
        let mut stalled = BTreeMap::new();
        for (&lane, head) in &lanes {
            let Some(&at) = self.checkpoints.get(&lane) else {
                self.report_unknown_lane(lane);
                continue;
            };
            if self.stopped.get(&lane).is_some_and(|stopped| at.position > stopped.at) {
                // Another instance could apply the event, or an operator skipped it.
                self.resume(lane);
                if at.position < head.position {
                    self.catch_up(lane, head.position);
                }
            }
            let known = self.compared.get(&lane).filter(|compared| compared.when < asked_at);
            let known = known.map(|compared| compared.position);
            let behind_since = self.compare_head(lane, at.position, head.position);
            metrics::lag(self.context.projection, lane, (head.position.0 - at.position.0).max(0));
            if let Some(error) = contradiction(known, at, head) {
                if !self.stopped.contains_key(&lane) {
                    let event = EventId(lane, head.position).to_string();
                    self.stop_lane(lane, Stop { event, error }).await?;
                }
            } else if at.position >= head.position || self.fetching.contains_key(&lane) {
                continue;
            } else if let Some(stopped) = self.stopped.get(&lane) {
                if stopped.tried_at.elapsed() >= self.context.config.projection.stopped_retry_ms.0 {
                    self.resume(lane);
                    self.catch_up(lane, head.position);
                }
            } else if let Some(since) = behind_since.filter(|since| since.elapsed() >= behind_max) {
                stalled.insert(lane, since);
                self.catch_up(lane, head.position);
            }
        }
        let positions = lanes.into_iter().map(|(lane, head)| (lane, head.position));
        self.context.progress.set_heads(positions.collect());
        self.context.subscription.stalled.send_replace(stalled);
        Ok(())
    }

    /// Since when the lane has been behind the head of the log at this position.
    fn compare_head(&mut self, lane: Lane, at: Position, head: Position) -> Option<Instant> {
        let when = Instant::now();
        let behind_since = behind_since(self.compared.get(&lane), at, head, when);
        self.compared.insert(lane, Compared { when, position: at, behind_since });
        behind_since
    }

    /// Records that a lane is stopped. The other lanes continue.
    pub(super) async fn stop_lane(&mut self, lane: Lane, stop: Stop) -> Result<(), Stopping> {
        let at = self.position(lane);
        tracing::error!(%lane, position = %at, event = stop.event, error = stop.error, "lane stopped");
        self.stopped.insert(lane, Stopped { at, tried_at: Instant::now() });
        self.end_catch_up(lane);
        // When it resumes, it reads the log: Kafka need not bring these records again.
        self.context
            .subscription
            .offsets
            .send_if_modified(|offsets| offsets.remove(&lane).is_some());
        metrics::lanes_stopped(self.context.projection, self.stopped.len());
        let (pool, projection) = (&self.context.pool, self.context.projection);
        let mut backoff = Backoff::up_to(self.context.config.projection.retry_pause_max_ms.0);
        while let Err(error) = apply::save_stop(pool, projection, lane, at, &stop).await {
            tracing::warn!(%error, "a stopped lane cannot be recorded, trying again");
            backoff.pause(&self.context.stop).await?;
        }
        Ok(())
    }

    fn resume(&mut self, lane: Lane) {
        self.stopped.remove(&lane);
        metrics::lanes_stopped(self.context.projection, self.stopped.len());
    }

    fn position(&self, lane: Lane) -> Position {
        let checkpoint = self.checkpoints.get(&lane);
        checkpoint.map_or(Position(0), |at| at.position)
    }
}

/// Since when a lane has been behind at this position, given the comparison before. PURE.
fn behind_since(
    before: Option<&Compared>,
    at: Position,
    head: Position,
    now: Instant,
) -> Option<Instant> {
    let unmoved = before.filter(|compared| compared.position == at);
    (at < head).then(|| unmoved.and_then(|compared| compared.behind_since).unwrap_or(now))
}

/// How the log contradicts the applied events, because it is another log or was restored from a backup.
/// `known` was applied before the log was asked, so the log must reach at least that far.
fn contradiction(known: Option<Position>, at: Checkpoint, head: &Checkpoint) -> Option<String> {
    let Checkpoint { position, chain } = *head;
    if position == at.position && chain != at.chain {
        Some("fork: the log has another event at this position than was applied".to_owned())
    } else if known.is_some_and(|known| position < known) {
        Some(format!("fork: the log ends at {position}, but {} was applied", at.position))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use shared_events::chain::Chain;

    use super::*;

    fn at(position: i64, chain: u8) -> Checkpoint {
        Checkpoint { position: Position(position), chain: Chain([chain; 32]) }
    }

    #[test]
    fn a_longer_log_is_no_contradiction() {
        assert_eq!(contradiction(Some(Position(5)), at(5, 1), &at(5, 1)), None);
        assert_eq!(contradiction(Some(Position(5)), at(5, 1), &at(9, 2)), None);
        assert_eq!(contradiction(Some(Position(5)), at(9, 2), &at(7, 3)), None);
        assert_eq!(contradiction(None, at(9, 2), &at(7, 3)), None);
    }

    #[test]
    fn a_lane_is_behind_from_the_first_comparison_that_finds_the_log_ahead() {
        let start = Instant::now();
        let mut compared: Option<Compared> = None;
        let mut compare = |second, at, head| {
            let when = start + Duration::from_secs(second);
            let since = behind_since(compared.as_ref(), Position(at), Position(head), when);
            compared = Some(Compared { when, position: Position(at), behind_since: since });
            since.map(|since| (since - start).as_secs())
        };
        // However long nothing was recorded, the first event that is not applied is not late.
        for second in 0..120 {
            assert_eq!(compare(second, 5, 5), None);
        }
        assert_eq!(compare(120, 5, 6), Some(120));
        assert_eq!(compare(121, 5, 9), Some(120));
        assert_eq!(compare(122, 7, 9), Some(122), "it moves");
        assert_eq!(compare(123, 9, 9), None);
        assert_eq!(compare(124, 9, 10), Some(124));
    }

    #[test]
    fn another_log_or_a_shorter_one_is_a_contradiction() {
        assert!(contradiction(None, at(5, 1), &at(5, 2)).is_some());
        assert!(contradiction(Some(Position(5)), at(5, 1), &at(4, 1)).is_some());
    }
}
