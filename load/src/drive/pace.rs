//! When requests are due: as soon as the last is answered, or at moments fixed beforehand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When requests are sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// Each client as soon as it is answered: shows the most a service can do, and flatters its
    /// latency, since a stalled service is asked less.
    Closed,
    /// At moments fixed beforehand, the rate going evenly from one to the other. Latency counts
    /// from those moments, so a stall costs every request that was due in it.
    Open {
        /// Requests a second at the start.
        from: f64,
        /// Requests a second at the end.
        to: f64,
    },
}

impl Pace {
    /// Whether moments are fixed beforehand.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// When the `nth` request is due, counted from 0, in seconds from the start. The area below a
    /// straight line from one rate to the other is the number of requests so far.
    fn due(nth: f64, from: f64, to: f64, seconds: f64) -> f64 {
        let slope = (to - from) / seconds;
        if slope.abs() < f64::EPSILON {
            return nth / from;
        }
        // Beyond the peak of a falling line there is no such request.
        let root = from.mul_add(from, 2.0 * slope * nth);
        if root < 0.0 { f64::INFINITY } else { (root.sqrt() - from) / slope }
    }
}

/// The moments of one run, shared by its clients.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    start: Instant,
    duration: Duration,
    taken: AtomicU64,
}

impl Schedule {
    /// The moments of a run that begins at `start`.
    #[must_use]
    pub fn new(pace: Pace, start: Instant, duration: Duration) -> Self {
        Self { pace, start, duration, taken: AtomicU64::new(0) }
    }

    /// When the run begins.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Waits for the next moment that is a client's, and tells it; nothing when the run is over. What
    /// was due and not sent by then stays unsent.
    pub async fn turn(&self) -> Option<Instant> {
        let due = self.next()?;
        if due > Instant::now() {
            sleep_until(due).await;
        }
        (Instant::now() < self.start + self.duration).then_some(due)
    }

    /// Takes the next moment; nothing when the run is over.
    fn next(&self) -> Option<Instant> {
        let due = match self.pace {
            Pace::Closed => Instant::now().max(self.start),
            Pace::Open { from, to } => {
                let nth = self.taken.fetch_add(1, Ordering::Relaxed) as f64;
                let seconds = Pace::due(nth, from, to, self.duration.as_secs_f64());
                self.start + Duration::try_from_secs_f64(seconds).ok()?
            }
        };
        (due < self.start + self.duration).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(pace: Pace, seconds: u64) -> Vec<f64> {
        let start = Instant::now();
        let schedule = Schedule::new(pace, start, Duration::from_secs(seconds));
        std::iter::from_fn(|| schedule.next()).map(|due| (due - start).as_secs_f64()).collect()
    }

    #[test]
    fn a_fixed_rate_is_even() {
        let moments = moments(Pace::Open { from: 4.0, to: 4.0 }, 2);
        assert_eq!(moments, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75]);
    }

    #[test]
    fn a_ramp_sends_as_many_as_the_mean_of_its_ends_and_more_of_them_late() {
        for (from, to) in [(0.0, 100.0), (100.0, 0.0), (20.0, 80.0)] {
            let moments = moments(Pace::Open { from, to }, 10);
            assert!((499..=501).contains(&moments.len()), "{from} to {to}: {}", moments.len());
            let early = moments.iter().filter(|due| **due < 5.0).count();
            assert_eq!(early < 250, from < to, "{from} to {to}: {early} in the first half");
            assert!(moments.is_sorted());
        }
    }
}
