//! Waiting for a condition instead of sleeping.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long anything here may take before a test fails.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How long nobody asks again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Asks again and again until the answer is what the caller wants, and returns it.
pub async fn eventually<T: Debug>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    wanted: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let seen = ask().await;
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}; last seen: {seen:?}");
        sleep(LOOK_AGAIN).await;
    }
}
