//! What fails again and again, such as every use of a database that is away, said in few lines of the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a failure is said while it lasts.
const EVERY: Duration = Duration::from_secs(10);

/// When a part of a service logs that something fails, and when that it works again.
#[derive(Debug)]
pub struct Outage(Mutex<Said>);

#[derive(Debug)]
struct Said {
    at: Option<Instant>,
    /// Failures since then.
    unsaid: u64,
    /// It was said that something fails, and not yet that it works again.
    is_open: bool,
}

impl Outage {
    /// Nothing has failed yet.
    pub const fn none() -> Self {
        Self(Mutex::new(Said { at: None, unsaid: 0, is_open: false }))
    }

    /// Notes a failure. If it is to be logged: how many failures there were since the last one that was.
    #[must_use]
    pub fn failed(&self) -> Option<u64> {
        self.failed_at(Instant::now())
    }

    fn failed_at(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.unsaid += 1;
        if said.at.is_some_and(|at| now < at + EVERY) {
            return None;
        }
        said.at = Some(now);
        said.is_open = true;
        Some(std::mem::take(&mut said.unsaid))
    }

    /// Notes a success. Whether it is to be logged, as the end of what was said to fail.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut said.is_open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_is_said_then_one_now_and_then_with_the_number_of_all_and_its_end_once() {
        let (outage, start) = (Outage::none(), Instant::now());
        let failed = |seconds| outage.failed_at(start + Duration::from_secs(seconds));
        assert!(!outage.is_over(), "nothing has failed");
        assert_eq!([failed(0), failed(1), failed(9)], [Some(1), None, None]);
        assert_eq!([failed(10), failed(19), failed(25)], [Some(3), None, Some(2)]);
        assert_eq!([outage.is_over(), outage.is_over()], [true, false]);
    }

    #[test]
    fn what_fails_and_works_by_turns_is_not_said_more_often() {
        let (outage, start) = (Outage::none(), Instant::now());
        let mut said = 0;
        for millis in (0..20_000).step_by(10) {
            let failed = outage.failed_at(start + Duration::from_millis(millis));
            said += usize::from(failed.is_some()) + usize::from(outage.is_over());
        }
        assert_eq!(said, 4, "a failure and an end in each of two spans");
    }
}
