//! Paces the lanes: they send together, in rounds. Each request has a price for Kafka, however few
//! records it carries, and each arrival costs every reader an answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The shortest round.
const ROUND_MIN: Duration = Duration::from_millis(2);

/// The longest round, however many lanes there are.
const ROUND_MAX: Duration = Duration::from_millis(10);

/// The time that each lane in a round adds to it.
const ROUND_PER_LANE: Duration = Duration::from_micros(400);

/// Rounds in which every lane may send once. A lane that comes after a pause starts one at once.
#[derive(Debug)]
pub(crate) struct Pacer {
    round: Mutex<Round>,
}

/// The newest round, which may begin in the future.
#[derive(Debug, Clone, Copy)]
struct Round {
    begins: Instant,
    lanes: u32,
}

impl Round {
    fn ends(self) -> Instant {
        self.begins + (ROUND_PER_LANE * self.lanes).clamp(ROUND_MIN, ROUND_MAX)
    }
}

impl Pacer {
    pub(crate) fn new() -> Self {
        Self { round: Mutex::new(Round { begins: Instant::now(), lanes: 0 }) }
    }

    /// Waits for a turn to send. A dropped turn costs only its time.
    pub(crate) async fn turn(&self) {
        let now = Instant::now();
        let at = self.join(now);
        if at > now {
            sleep_until(at).await;
        }
    }

    /// When a lane that asks now may send: in the next round, or at once if the last one is over.
    fn join(&self, now: Instant) -> Instant {
        // A round is never left half changed.
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

    /// The turns for lanes that ask at these moments, in microseconds.
    fn turns(asked: &[u64]) -> Vec<u128> {
        let pacer = Pacer::new();
        let start = Instant::now() + Duration::from_secs(1);
        let turn = |micros: &u64| {
            let now = start + Duration::from_micros(*micros);
            pacer.join(now).duration_since(start).as_micros()
        };
        asked.iter().map(turn).collect()
    }

    #[test]
    fn a_lane_sends_at_once_after_a_pause() {
        assert_eq!(turns(&[0, 5_000, 10_000]), [0, 5_000, 10_000]);
    }

    #[test]
    fn lanes_that_come_during_a_round_send_in_the_next_one() {
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
    fn a_round_of_the_most_lanes_is_still_short() {
        let asked: Vec<u64> = (0..1_024).chain([2_500]).collect();
        assert_eq!(turns(&asked)[1_024], 12_000);
    }
}
