//! Whether a batch is decided before its lanes are locked, and which time it gets.

use std::time::Duration;

use shared_events::time::Timestamp;
use tokio::time::Instant;

use crate::metrics;

/// The most that the time of an optimistic batch may be behind the database's clock when it gets its
/// locks; `append.sql` refuses a later batch. Readers of a moment wait this long after it, so that no batch
/// with an earlier time is still to come.
pub(crate) const BEHIND_MAX: Duration = Duration::from_millis(100);

/// No batch is optimistic if the database's last answer is older than this. The connection may then be
/// dead, and whether a statement sent on it was executed would remain unknown.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// A slower answer is too imprecise to estimate the clock from.
const ANSWER_MAX: Duration = Duration::from_millis(50);

/// The most batches that wait for their lanes after a conflict. If instances share the lanes, most
/// optimistic batches meet a conflict.
const PAUSE_MAX: u32 = 64;

/// Decides when to be optimistic.
#[derive(Debug)]
pub(crate) struct OptimisticPolicy {
    /// The clock of this machine.
    now: fn() -> Instant,
    clock: ClockEstimate,
    /// The latest time of a batch.
    latest: Option<Timestamp>,
    /// The batches left to skip before the next optimistic one, and the number skipped last time.
    paused: u32,
    pause: u32,
}

/// Estimates the database's clock from round trips (Cristian's algorithm). The estimate is never behind
/// the clock; it is ahead by at most the one-way delay of the request. The fastest round trip of the last one
/// to two seconds counts.
#[derive(Debug, Clone, Copy, Default)]
struct ClockEstimate {
    /// The best reading of the current second and of the one before, each with the time of its request.
    current: Option<(Timestamp, Instant)>,
    previous: Option<(Timestamp, Instant)>,
    /// When the current second began.
    since: Option<Instant>,
    last_answer: Option<Instant>,
}

impl ClockEstimate {
    fn observe(&mut self, asked: Instant, reading: Timestamp, now: Instant) {
        self.last_answer = Some(now);
        if now.duration_since(asked) > ANSWER_MAX {
            return;
        }
        if self.since.is_none_or(|since| now.duration_since(since) > SILENCE_MAX) {
            (self.previous, self.current, self.since) = (self.current, None, Some(now));
        }
        let is_ahead = |best| project(best, now) > project((reading, asked), now);
        if self.current.is_none_or(is_ahead) {
            self.current = Some((reading, asked));
        }
    }

    fn at(&self, now: Instant) -> Option<Timestamp> {
        if now.duration_since(self.last_answer?) > SILENCE_MAX {
            return None;
        }
        let readings = [self.current, self.previous].into_iter().flatten();
        readings.map(|reading| project(reading, now)).min()
    }
}

/// A reading of the clock plus the time since its request.
fn project((reading, asked): (Timestamp, Instant), now: Instant) -> Timestamp {
    reading + now.duration_since(asked)
}

impl OptimisticPolicy {
    pub(crate) fn new(now: fn() -> Instant) -> Self {
        Self { now, clock: ClockEstimate::default(), latest: None, paused: 0, pause: 0 }
    }

    /// Adds a reading of the database's clock to a request that was sent at `asked`.
    pub(crate) fn observe_clock(&mut self, asked: Instant, reading: Timestamp) {
        self.clock.observe(asked, reading, (self.now)());
    }

    /// Raises the time that later batches may not be before.
    pub(crate) fn raise_time(&mut self, at: Timestamp) {
        self.latest = self.latest.max(Some(at));
    }

    /// Whether the next batch waits for its lanes first: for a while after conflicts, and while the clock is
    /// unknown.
    pub(crate) fn must_hold(&mut self) -> bool {
        if self.paused > 0 {
            self.paused -= 1;
            return true;
        }
        self.now().is_none()
    }

    /// Whether the next batch may be decided while one is in flight.
    pub(crate) fn may_overlap(&self) -> bool {
        self.paused == 0
    }

    /// The time for events decided now, none while the clock is unknown. It is not before the database's
    /// clock, and the clock has passed it when the caller gets the answer, because that takes longer than
    /// the fastest round trip.
    pub(crate) fn now(&mut self) -> Option<Timestamp> {
        let now = self.clock.at((self.now)())?;
        self.raise_time(now);
        self.latest
    }

    pub(crate) fn record_success(&mut self) {
        self.pause = 0;
        metrics::optimistic(true);
    }

    pub(crate) fn record_conflict(&mut self) {
        self.pause = (self.pause * 2).clamp(1, PAUSE_MAX);
        self.paused = self.pause;
        metrics::optimistic(false);
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// The database's clock at a time after the start of the test.
    fn reading(after: Duration) -> Timestamp {
        Timestamp::UNIX_EPOCH + after
    }

    /// How far the estimate is ahead of the clock.
    fn error(clock: &ClockEstimate, began: Instant, after: Duration) -> Option<TimeDelta> {
        let estimate = clock.at(began + after)?;
        Some(estimate.to_utc() - reading(after).to_utc())
    }

    #[test]
    fn the_estimate_is_ahead_by_the_delay_of_the_fastest_request_and_never_behind() {
        let began = Instant::now();
        let mut clock = ClockEstimate::default();
        assert_eq!(clock.at(began), None, "no answer yet");
        for (asked, took) in [(0, 9), (10, 3), (20, 6)] {
            let asked = asked * MILLISECOND;
            clock.observe(
                began + asked,
                reading(asked + took * MILLISECOND),
                began + asked + 10 * MILLISECOND,
            );
        }
        assert_eq!(error(&clock, began, 40 * MILLISECOND), Some(TimeDelta::milliseconds(3)));
    }

    #[test]
    fn a_slow_answer_only_shows_that_the_database_is_alive() {
        let began = Instant::now();
        let mut clock = ClockEstimate::default();
        clock.observe(began, reading(2 * ANSWER_MAX), began + 2 * ANSWER_MAX);
        assert_eq!(clock.at(began + 2 * ANSWER_MAX), None);
        clock.observe(began, reading(MILLISECOND), began + 2 * MILLISECOND);
        assert!(clock.at(began + 2 * MILLISECOND).is_some());
        assert!(clock.at(began + SILENCE_MAX).is_some());
        assert_eq!(clock.at(began + SILENCE_MAX + 3 * MILLISECOND), None, "no answer for too long");
    }

    #[test]
    fn a_fast_answer_is_forgotten_after_one_to_two_seconds() {
        let began = Instant::now();
        let mut clock = ClockEstimate::default();
        for nth in 0..40 {
            let asked = nth * 100 * MILLISECOND;
            let took = if nth == 0 { MILLISECOND } else { 5 * MILLISECOND };
            clock.observe(began + asked, reading(asked + took), began + asked + 10 * MILLISECOND);
            let expected = if nth < 11 {
                1
            } else if nth < 22 {
                continue;
            } else {
                5
            };
            assert_eq!(
                error(&clock, began, asked + 10 * MILLISECOND),
                Some(TimeDelta::milliseconds(expected)),
                "request {nth}"
            );
        }
    }

    #[test]
    fn repeated_conflicts_pause_for_more_and_more_batches() {
        let mut policy = OptimisticPolicy::new(Instant::now);
        policy.observe_clock(Instant::now(), Timestamp::UNIX_EPOCH);
        let pause =
            |policy: &mut OptimisticPolicy| (0..).take_while(|_| policy.must_hold()).count();
        assert_eq!(pause(&mut policy), 0);
        for expected in [1, 2, 4, 8, 16, 32, 64, 64] {
            policy.record_conflict();
            assert_eq!(pause(&mut policy), expected);
        }
        policy.record_success();
        assert_eq!(pause(&mut policy), 0);
    }
}
