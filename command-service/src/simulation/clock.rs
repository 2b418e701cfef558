//! The clock of the simulated machines: it passes when the simulation says so.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

thread_local! {
    static NOW: Cell<Instant> = Cell::new(Instant::now());
}

pub(super) fn now() -> Instant {
    NOW.get()
}

pub(super) fn pass(time: Duration) {
    NOW.set(NOW.get() + time);
}
