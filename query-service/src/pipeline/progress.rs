//! How far a projection is, as far as this instance knows, and a way to wait for it.
//!
//! Lanes that this instance applies are known at once. For other lanes the checkpoints are read every
//! few milliseconds while a caller waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared_events::lane::{Lane, Position, PositionToken};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::database;
use crate::pipeline::assignment::Assignment;
use crate::pipeline::memory::Memory;
use crate::projection::ProjectionVersion;

/// Positions by lane.
pub type Positions = BTreeMap<Lane, Position>;

/// Written by the runner, read by queries.
#[derive(Debug, Default)]
pub struct Progress {
    applied: watch::Sender<Positions>,
    waiting: watch::Sender<usize>,
    /// Why nothing can be applied at the moment.
    trouble: watch::Sender<Option<String>>,
    log: Mutex<LogState>,
    memory: Arc<Memory>,
}

/// What is known about the log.
#[derive(Debug, Clone, Default)]
pub struct LogState {
    /// The last position of each lane, when the log was last asked.
    pub heads: Positions,
    /// Lanes that are being read from the log instead of Kafka.
    pub catching_up: BTreeSet<Lane>,
}

impl Progress {
    /// Raises the applied positions; they never move back here.
    pub fn raise(&self, reached: impl IntoIterator<Item = (Lane, Position)>) {
        self.applied.send_if_modified(|applied| {
            let mut changed = false;
            for (lane, position) in reached {
                let known = applied.entry(lane).or_default();
                changed |= *known < position;
                *known = position.max(*known);
            }
            changed
        });
    }

    /// Replaces all positions with the stored ones, because a database may lose its last commits.
    pub fn replace(&self, stored: Positions) {
        self.applied.send_if_modified(|applied| {
            let changed = *applied != stored;
            *applied = stored;
            changed
        });
    }

    /// Sets these lanes back to the stored positions: later ones were lost by the database.
    pub fn forget(&self, stored: &PositionToken) {
        self.applied.send_modify(|applied| {
            for (lane, position) in stored.iter() {
                applied.insert(lane, position);
            }
        });
    }

    /// The applied positions of the lanes that a token names.
    pub fn applied_of(&self, token: &PositionToken) -> PositionToken {
        let applied = self.applied.borrow();
        let position = |lane| applied.get(&lane).copied().unwrap_or_default();
        token.iter().map(|(lane, _)| (lane, position(lane))).collect()
    }

    /// How far a lane is applied, by any instance.
    pub fn applied(&self, lane: Lane) -> Position {
        self.applied.borrow().get(&lane).copied().unwrap_or_default()
    }

    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Whether a lane exists in this log.
    pub fn has_lane(&self, lane: Lane) -> bool {
        self.applied.borrow().contains_key(&lane)
    }

    /// Waits until everything up to the token is applied, by any instance.
    pub async fn reach(&self, token: &PositionToken) {
        let mut applied = self.applied.subscribe();
        if reaches(&applied.borrow_and_update(), token) {
            return;
        }
        let _waiting = Waiting::among(&self.waiting);
        // The sender lives as long as `self`, so this ends only when the token is reached.
        let _ = applied.wait_for(|applied| reaches(applied, token)).await;
    }

    /// Waits until an event beyond the token is applied, by any instance, and returns what is applied
    /// then.
    pub async fn news(&self, after: &PositionToken) -> PositionToken {
        let goes_beyond = |applied: &Positions| {
            applied.iter().any(|(lane, known)| *known > after.get(*lane).unwrap_or_default())
        };
        let mut applied = self.applied.subscribe();
        if !goes_beyond(&applied.borrow_and_update()) {
            let _waiting = Waiting::among(&self.waiting);
            // The sender lives as long as `self`.
            let _ = applied.wait_for(goes_beyond).await;
        }
        applied.borrow().iter().map(|(lane, position)| (*lane, *position)).collect()
    }

    /// Reads the checkpoints every `interval` while a caller waits, unless this instance applies every lane.
    pub async fn poll(
        &self,
        pool: &PgPool,
        projection: ProjectionVersion,
        assignment: &Assignment,
        interval: Duration,
        stop: &CancellationToken,
    ) {
        let mut waiting = self.waiting.subscribe();
        let poll = async {
            loop {
                // The sender lives as long as `self`.
                let _ = waiting.wait_for(|count| *count > 0).await;
                if !self.applies_every_lane(assignment) {
                    match load_positions(pool, projection).await {
                        Ok(positions) => self.raise(positions),
                        Err(error) => tracing::debug!(%error, "checkpoints cannot be read"),
                    }
                }
                tokio::time::sleep(interval).await;
            }
        };
        stop.run_until_cancelled(poll).await;
    }

    /// Whether every lane is assigned to this instance, and nobody else applied anything.
    fn applies_every_lane(&self, assignment: &Assignment) -> bool {
        let applied = self.applied.borrow();
        let is_own = |(lane, known): (&Lane, &Position)| {
            assignment.has(*lane) && self.memory.answers_as_of(*lane, *known).is_some()
        };
        !applied.is_empty() && applied.iter().all(is_own)
    }

    pub fn set_trouble(&self, trouble: Option<String>) {
        self.trouble.send_if_modified(|known| {
            let changed = *known != trouble;
            *known = trouble;
            changed
        });
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    pub fn set_heads(&self, heads: Positions) {
        self.lock_log().heads = heads;
    }

    pub fn set_catching_up(&self, lane: Lane, is_it: bool) {
        let mut log = self.lock_log();
        if is_it {
            log.catching_up.insert(lane);
        } else {
            log.catching_up.remove(&lane);
        }
    }

    pub fn log(&self) -> LogState {
        self.lock_log().clone()
    }

    fn lock_log(&self) -> MutexGuard<'_, LogState> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reaches(applied: &Positions, token: &PositionToken) -> bool {
    token.iter().all(|(lane, position)| applied.get(&lane).is_some_and(|known| *known >= position))
}

/// Counts one waiting caller until it is dropped.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn among(count: &'a watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// The stored checkpoint position of every lane.
pub async fn load_positions(
    pool: &PgPool,
    projection: ProjectionVersion,
) -> sqlx::Result<Positions> {
    let rows: Vec<(i16, i64)> = sqlx::query_as(include_str!("../../queries/load_positions.sql"))
        .bind(projection.name())
        .bind(projection.version())
        .fetch_all(pool)
        .await?;
    let entry = |(lane, position): (i16, i64)| (database::lane(lane), Position(position));
    Ok(rows.into_iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> PositionToken {
        text.parse().expect("a valid token")
    }

    fn progress(text: &str) -> Progress {
        let progress = Progress::default();
        progress.raise(token(text).iter());
        progress
    }

    #[tokio::test]
    async fn an_applied_position_needs_no_wait() {
        progress("0:5,1:7").reach(&token("0:5,1:6")).await;
    }

    #[tokio::test]
    async fn a_wait_ends_when_every_lane_has_arrived() {
        let progress = progress("0:5,1:7");
        let wanted = token("0:6,1:8");
        let advance = async {
            progress.raise([(Lane(0), Position(6))]);
            tokio::task::yield_now().await;
            progress.raise([(Lane(1), Position(8))]);
        };
        tokio::join!(progress.reach(&wanted), advance);
        assert_eq!(progress.applied_of(&wanted), token("0:6,1:8"));
        assert_eq!(*progress.waiting.borrow(), 0);
    }

    #[tokio::test]
    async fn news_is_progress_in_any_lane() {
        let progress = progress("0:5,1:7");
        assert_eq!(progress.news(&token("0:5")).await, token("0:5,1:7"));
        let after = token("0:5,1:7");
        let advance = async {
            progress.raise([(Lane(0), Position(4))]);
            tokio::task::yield_now().await;
            progress.raise([(Lane(1), Position(8))]);
        };
        let (news, ()) = tokio::join!(progress.news(&after), advance);
        assert_eq!(news, token("0:5,1:8"));
    }

    #[test]
    fn an_instance_that_applies_every_lane_need_not_read_checkpoints() {
        let (progress, assignment) = (progress("0:5,1:7"), Assignment::default());
        progress.memory.confirm();
        progress.memory.applied(token("0:5,1:7").iter());
        assert!(!progress.applies_every_lane(&assignment), "no lane is assigned");
        assignment.assign([Lane(0), Lane(1)]);
        assert!(progress.applies_every_lane(&assignment));
        progress.raise([(Lane(1), Position(8))]);
        assert!(!progress.applies_every_lane(&assignment), "another instance is further");
    }

    #[test]
    fn positions_only_rise_until_they_are_replaced() {
        let progress = progress("0:5");
        progress.raise([(Lane(0), Position(3))]);
        assert_eq!(progress.applied_of(&token("0:9")), token("0:5"));
        progress.replace(token("0:3").iter().collect());
        assert_eq!(progress.applied_of(&token("0:9")), token("0:3"));
    }
}
