//! When lanes send: each request has its price for Kafka, however few its records are, and each moment
//! at which something arrives costs every reader an answer, so lanes send together, in rounds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The least time from round to round.
const ROUND_MIN: Duration = Duration::from_millis(2);

/// The most, however many lanes there are.
const ROUND_MAX: Duration = Duration::from_millis(10);

/// What each lane that sends in a round asks of its length.
const ROUND_EACH: Duration = Duration::from_micros(400);

/// Rounds, in which every lane may send once; whoever comes after a pause begins one at once.
#[derive(Debug)]
pub(super) struct Pace {
    round: Mutex<Round>,
}

/// The newest round; it may not have begun yet.
#[derive(Debug, Clone, Copy)]
struct Round {
    begins: Instant,
    lanes: u32,
}

impl Round {
    /// When the next one may begin.
    fn ends(self) -> Instant {
        self.begins + (ROUND_EACH * self.lanes).clamp(ROUND_MIN, ROUND_MAX)
    }
}

impl Pace {
    /// Nobody has sent yet.
    pub(super) fn new() -> Self {
        Self { round: Mutex::new(Round { begins: Instant::now(), lanes: 0 }) }
    }

    /// Waits for a turn to send. One that is given up meanwhile costs only its time.
    pub(super) async fn turn(&self) {
        let now = Instant::now();
        let at = self.join(now);
        if at > now {
            sleep_until(at).await;
        }
    }

    /// When the lane that asks now may send: with those that wait for the next round, or at once if
    /// the last one is over.
    fn join(&self, now: Instant) -> Instant {
        // A round is changed whole or not at all.
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        if round.begins < now {
            *round = Round { begins: round.ends().max(now), lanes: 0 };
        }
        round.lanes += 1;
        round.begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When turns are that are asked for at these moments, in microseconds.
    fn turns(asked: &[u64]) -> Vec<u128> {
        let pace = Pace::new();
        let start = Instant::now() + Duration::from_secs(1);
        let turn = |micros: &u64| {
            let now = start + Duration::from_micros(*micros);
            pace.join(now).duration_since(start).as_micros()
        };
        asked.iter().map(turn).collect()
    }

    #[test]
    fn whoever_comes_after_a_pause_sends_at_once() {
        assert_eq!(turns(&[0, 5_000, 10_000]), [0, 5_000, 10_000]);
    }

    #[test]
    fn whoever_comes_during_a_round_sends_with_the_next_one() {
        assert_eq!(turns(&[0, 10, 500, 1_999, 2_001]), [0, 2_000, 2_000, 2_000, 4_000]);
    }

    #[test]
    fn a_round_of_many_lanes_is_longer() {
        let asked: Vec<u64> = (1..=10).chain([2_500, 7_000]).collect();
        let turns = turns(&asked);
        assert_eq!((turns[0], turns[1], turns[9]), (1, 2_001, 2_001));
        assert_eq!(&turns[10..], [2_001 + 9 * 400, 7_601]);
    }

    #[test]
    fn a_round_of_all_lanes_that_there_can_be_is_still_short() {
        let asked: Vec<u64> = (0..1_024).chain([2_500]).collect();
        assert_eq!(turns(&asked)[1_024], 12_000);
    }
}
