//! What Kafka did not bring: lanes are compared with the log's heads, missing events are read from the
//! log itself, and a lane that cannot go on is stopped for everybody to see.

use std::collections::BTreeSet;

use shared_events::lane::{Lane, Position};
use shared_events::recorded::EventId;
use tokio::time::Instant;

use crate::backoff::{Backoff, Stopping};
use crate::metrics;
use crate::projection::apply;
use crate::projection::checkpoint::Checkpoint;
use crate::projection::delivery::{Heads, Page};
use crate::projection::follow::{Follower, Stopped};
use crate::projection::plan::{Arrivals, Stop};

/// After how many comparisons a lane that is behind and did not move is read from the log. It leaves
/// Kafka the time to deal the lanes out after a start.
const PATIENCE: u32 = 3;
/// The same while Kafka brings other lanes: it may be working through a backlog.
const PATIENCE_WHILE_KAFKA_BRINGS: u32 = 10;

/// Where a lane was when it was compared with the log's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared {
    when: Instant,
    position: Position,
    /// How many comparisons before found it there too.
    unmoved: u32,
}

impl Follower {
    /// Reads a lane from the log until `seen`, a position that is known to exist, is applied.
    pub(super) fn catch_up(&mut self, lane: Lane, seen: Position) {
        if let Some(known) = self.fetching.get_mut(&lane) {
            *known = seen.max(*known);
            return;
        }
        let at = self.position(lane);
        tracing::warn!(%lane, position = %at, %seen, "events are missing, reading them from the log");
        metrics::gap_met(self.tools.projection);
        self.fetching.insert(lane, seen);
        self.tools.progress.set_catching_up(lane, true);
        self.tools.fetcher.fetch(lane, at);
    }

    fn end_catch_up(&mut self, lane: Lane) {
        if self.fetching.remove(&lane).is_some() {
            self.tools.progress.set_catching_up(lane, false);
        }
    }

    /// Applies a page of the log and asks for the next, or ends when the lane is where it should be.
    pub(super) async fn absorb_page(&mut self, page: Page) -> Result<(), Stopping> {
        let Page { lane, after, events } = page;
        if !self.fetching.contains_key(&lane) {
            return Ok(());
        }
        self.absorb(Arrivals::from([(lane, events)])).await?;
        let at = self.position(lane);
        match self.fetching.get(&lane) {
            None => {}
            Some(seen) if at >= *seen => {
                tracing::info!(%lane, position = %at, "caught up from the log");
                self.end_catch_up(lane);
            }
            Some(_) if at > after => self.tools.fetcher.fetch(lane, at),
            Some(seen) => {
                let error = format!("the log goes no further than {at}, but {seen} was seen");
                let event = EventId(lane, at.next()).to_string();
                self.stop_lane(lane, Stop { event, error }).await?;
            }
        }
        Ok(())
    }

    /// Compares the log's heads with the checkpoints. A lane that is behind and has not moved for some
    /// time, whoever should have applied it, is read from the log.
    pub(super) async fn compare_heads(&mut self, heads: Heads) -> Result<(), Stopping> {
        let Heads { asked_at, lanes } = heads;
        // Each time: a crash of the read database may have taken back what is remembered here.
        self.reload().await?;
        let kafka_brings = std::mem::take(&mut self.kafka_brings);
        let patience = if kafka_brings { PATIENCE_WHILE_KAFKA_BRINGS } else { PATIENCE };
        let mut stalled = BTreeSet::new();
        for (&lane, head) in &lanes {
            let Some(&at) = self.checkpoints.get(&lane) else {
                self.tell_of_stranger(lane);
                continue;
            };
            if self.stopped.get(&lane).is_some_and(|stopped| at.position > stopped.at) {
                // Another instance could go on, or an operator had the event skipped.
                self.resume(lane);
                if at.position < head.position {
                    self.catch_up(lane, head.position);
                }
            }
            let known = self.compared.get(&lane).filter(|compared| compared.when < asked_at);
            let known = known.map(|compared| compared.position);
            let unmoved = self.count_unmoved(lane, at.position);
            metrics::lag(self.tools.projection, lane, (head.position.0 - at.position.0).max(0));
            if let Some(error) = contradiction(known, at, head) {
                if !self.stopped.contains_key(&lane) {
                    let event = EventId(lane, head.position).to_string();
                    self.stop_lane(lane, Stop { event, error }).await?;
                }
            } else if at.position >= head.position || self.fetching.contains_key(&lane) {
                continue;
            } else if let Some(stopped) = self.stopped.get(&lane) {
                if stopped.tried_at.elapsed() >= self.tools.settings.stopped_retry_ms.0 {
                    self.resume(lane);
                    self.catch_up(lane, head.position);
                }
            } else if unmoved >= patience {
                stalled.insert(lane);
                self.catch_up(lane, head.position);
            }
        }
        let positions = lanes.into_iter().map(|(lane, head)| (lane, head.position));
        self.tools.progress.set_heads(positions.collect());
        self.tools.feedback.stalled.send_replace(stalled);
        Ok(())
    }

    /// How many comparisons in a row, before this one, found the lane here.
    fn count_unmoved(&mut self, lane: Lane, at: Position) -> u32 {
        let before = self.compared.get(&lane).filter(|compared| compared.position == at);
        let unmoved = before.map_or(0, |compared| compared.unmoved + 1);
        self.compared.insert(lane, Compared { when: Instant::now(), position: at, unmoved });
        unmoved
    }

    /// Leaves a lane where it is, for everybody to see; the others go on.
    pub(super) async fn stop_lane(&mut self, lane: Lane, stop: Stop) -> Result<(), Stopping> {
        let at = self.position(lane);
        tracing::error!(%lane, position = %at, event = stop.event, error = stop.error, "lane stopped");
        self.stopped.insert(lane, Stopped { at, tried_at: Instant::now() });
        self.end_catch_up(lane);
        metrics::lanes_stopped(self.tools.projection, self.stopped.len());
        let (pool, projection) = (&self.tools.pool, self.tools.projection);
        let mut backoff = Backoff::up_to(self.tools.settings.retry_pause_max_ms.0);
        while let Err(error) = apply::save_stop(pool, projection, lane, at, &stop).await {
            tracing::warn!(%error, "a stopped lane cannot be noted, trying again");
            backoff.pause(&self.tools.stop).await?;
        }
        Ok(())
    }

    fn resume(&mut self, lane: Lane) {
        self.stopped.remove(&lane);
        metrics::lanes_stopped(self.tools.projection, self.stopped.len());
    }

    fn position(&self, lane: Lane) -> Position {
        let checkpoint = self.checkpoints.get(&lane);
        checkpoint.map_or(Position(0), |at| at.position)
    }
}

/// How the log contradicts what was applied from it; then it is another log, or one that was set back.
/// `known` was applied before the log was asked, so the log has to go at least that far.
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
    fn a_log_that_goes_on_contradicts_nothing() {
        assert_eq!(contradiction(Some(Position(5)), at(5, 1), &at(5, 1)), None);
        assert_eq!(contradiction(Some(Position(5)), at(5, 1), &at(9, 2)), None);
        assert_eq!(contradiction(Some(Position(5)), at(9, 2), &at(7, 3)), None);
        assert_eq!(contradiction(None, at(9, 2), &at(7, 3)), None);
    }

    #[test]
    fn another_log_or_one_set_back_contradicts() {
        assert!(contradiction(None, at(5, 1), &at(5, 2)).is_some());
        assert!(contradiction(Some(Position(5)), at(5, 1), &at(4, 1)).is_some());
    }
}
