//! Waiting longer and longer, and never all at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Waits that double from `first` up to `max`, each shortened by up to half at random, so that
/// many waiters do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { next: first, max }
    }

    pub(crate) async fn wait(&mut self) {
        let wait = self.next / 2 + self.next.mul_f64(random() / 2.0);
        self.next = (self.next * 2).min(self.max);
        tokio::time::sleep(wait).await;
    }
}

/// A number from 0 to 1: every `RandomState` has keys of its own.
fn random() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(()) >> 32).expect("32 bits are left");
    f64::from(bits) / f64::from(u32::MAX)
}
