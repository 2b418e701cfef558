//! Pauses between tries.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(20);

/// The service is stopping, so what was being tried is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopping;

/// Pauses that double from `first` to `max`, without end. Each is shortened by up to half at random, so
/// that many instances do not retry in step.
pub fn pauses(first: Duration, max: Duration) -> ExponentialBuilder {
    // The builder lengthens each pause by up to its own length.
    ExponentialBuilder::new()
        .with_min_delay(first / 2)
        .with_max_delay(max / 2)
        .without_max_times()
        .with_jitter()
}

/// The pauses of a loop that is more than one operation to retry.
#[derive(Debug)]
pub struct Backoff {
    all: ExponentialBuilder,
    next: ExponentialBackoff,
}

impl Backoff {
    /// Starts with a short pause.
    pub fn up_to(max: Duration) -> Self {
        Self::new(FIRST.min(max), max)
    }

    pub fn new(first: Duration, max: Duration) -> Self {
        let all = pauses(first, max);
        Self { all, next: all.build() }
    }

    /// Starts with the first pause again, after a success.
    pub fn reset(&mut self) {
        self.next = self.all.build();
    }

    pub async fn wait(&mut self) {
        sleep(self.next.next().expect("pauses without end")).await;
    }

    /// Waits for the next try, unless the service stops meanwhile.
    pub async fn pause(&mut self, stop: &CancellationToken) -> Result<(), Stopping> {
        stop.run_until_cancelled(self.wait()).await.ok_or(Stopping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_the_longest_and_are_shortened_by_half_at_most() {
        let pauses = pauses(Duration::from_millis(20), Duration::from_millis(70)).build();
        for (pause, longest) in pauses.zip([20, 40, 70, 70, 70]) {
            let pause = pause.as_millis();
            assert!((longest / 2..=longest).contains(&pause), "{pause} of {longest}");
        }
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait() {
        let mut backoff = Backoff::new(Duration::from_secs(600), Duration::from_secs(600));
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(backoff.pause(&stop).await, Err(Stopping));
    }
}
