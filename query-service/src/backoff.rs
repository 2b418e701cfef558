//! Pauses between tries: each about twice the last, up to a bound, never quite the same.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(20);

/// The service is stopping; what was being tried is left undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping;

/// The pauses of one run of tries.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Starts with a short pause and grows up to `longest`.
    pub fn up_to(longest: Duration) -> Self {
        Self { next: FIRST.min(longest), longest }
    }

    /// Waits for the next try.
    ///
    /// # Errors
    /// The service was told to stop meanwhile.
    pub async fn pause(&mut self, stop: &CancellationToken) -> Result<(), Stopping> {
        let pause = self.take(rand::random_range(0.5..=1.0));
        match stop.run_until_cancelled(tokio::time::sleep(pause)).await {
            Some(()) => Ok(()),
            None => Err(Stopping),
        }
    }

    /// The next pause, shortened by a share, so that many instances do not try in step.
    fn take(&mut self, share: f64) -> Duration {
        let pause = self.next.mul_f64(share);
        self.next = (self.next * 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = Backoff::up_to(Duration::from_millis(70));
        let pauses: Vec<u128> = (0..4).map(|_| backoff.take(1.0).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 70, 70]);
        assert_eq!(backoff.take(0.5).as_millis(), 35);
    }
}
