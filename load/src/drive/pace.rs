//! When requests are due: as soon as the last one is answered, or at moments fixed beforehand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Load;

/// Time for every client to open its connection before the first request.
const CONNECT: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// Each client sends as soon as it is answered. This shows the most that a service can do, and
    /// flatters its latency, because a stalled service is asked less.
    Closed,
    /// Requests a second, at moments fixed beforehand; the rate goes evenly from one to the other.
    Open { from: f64, to: f64 },
}

impl Pace {
    pub(crate) fn fixed(rate: f64) -> Self {
        Self::Open { from: rate, to: rate }
    }

    /// When the `nth` request is due, counted from 0, in seconds from the start. The area below a
    /// straight line from one rate to the other is the number of requests so far.
    fn due(nth: f64, from: f64, to: f64, seconds: f64) -> f64 {
        let slope = (to - from) / seconds;
        if slope.abs() < f64::EPSILON {
            return nth / from;
        }
        // A falling rate ends before the requests do.
        let root = from.mul_add(from, 2.0 * slope * nth);
        if root < 0.0 { f64::INFINITY } else { (root.sqrt() - from) / slope }
    }
}

/// The part of a run that is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(super) start: Instant,
    pub(super) end: Instant,
    /// Whether a latency belongs to it by when its request was due, not by when it was answered.
    pub(super) by_due_time: bool,
}

impl Window {
    pub(super) fn holds(&self, moment: Instant) -> bool {
        (self.start..self.end).contains(&moment)
    }
}

/// The moments of one run, shared by its clients.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    start: Instant,
    window: Window,
    taken: AtomicU64,
}

impl Schedule {
    pub(super) fn new(load: &Load) -> Self {
        let start = Instant::now() + CONNECT;
        let measured = start + load.warm_up;
        let window = Window {
            start: measured,
            end: measured + load.duration,
            by_due_time: load.pace != Pace::Closed,
        };
        Self { pace: load.pace, start, window, taken: AtomicU64::new(0) }
    }

    pub(super) fn window(&self) -> Window {
        self.window
    }

    /// Waits for the next moment at which a client sends, and returns it; none when the run is over.
    /// Requests that were due and not sent by then stay unsent.
    pub(super) async fn turn(&self) -> Option<Instant> {
        let due = self.next()?;
        if due > Instant::now() {
            sleep_until(due).await;
        }
        (Instant::now() < self.window.end).then_some(due)
    }

    fn next(&self) -> Option<Instant> {
        let due = match self.pace {
            Pace::Closed => Instant::now().max(self.start),
            Pace::Open { from, to } => {
                let nth = self.taken.fetch_add(1, Ordering::Relaxed) as f64;
                let length = (self.window.end - self.start).as_secs_f64();
                let seconds = Pace::due(nth, from, to, length);
                self.start + Duration::try_from_secs_f64(seconds).ok()?
            }
        };
        (due < self.window.end).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(pace: Pace, seconds: u64) -> Vec<f64> {
        let duration = Duration::from_secs(seconds);
        let schedule = Schedule::new(&Load { pace, ..Load::closed(1, Duration::ZERO, duration) });
        std::iter::from_fn(|| schedule.next())
            .map(|due| (due - schedule.start).as_secs_f64())
            .collect()
    }

    #[test]
    fn a_fixed_rate_is_even() {
        let moments = moments(Pace::fixed(4.0), 2);
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
