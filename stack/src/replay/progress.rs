//! Progress lines on standard error.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(3);

/// One part of a replay, from its start to its end.
#[derive(Debug)]
pub(crate) struct Progress {
    name: &'static str,
    steps: usize,
    done: AtomicUsize,
    started: Instant,
    last_line: Mutex<Instant>,
}

impl Progress {
    pub(crate) fn start(name: &'static str, steps: usize) -> Self {
        let (done, started) = (AtomicUsize::new(0), Instant::now());
        Self { name, steps, done, started, last_line: Mutex::new(started) }
    }

    pub(crate) fn advance(&self, steps: usize) {
        let done = self.done.fetch_add(steps, Ordering::Relaxed) + steps;
        self.line(|| format!("{done} of {}", self.steps));
    }

    pub(crate) fn waiting(&self, why: &str) {
        self.line(|| format!("waiting, {why}"));
    }

    /// Reports the end, and returns how long the part took.
    pub(crate) fn finish(self) -> Duration {
        let (took, done) = (self.started.elapsed(), self.done.into_inner());
        tracing::info!("{:>9} {done} in {:.1} s", self.name, took.as_secs_f64());
        took
    }

    fn line(&self, text: impl FnOnce() -> String) {
        let mut last = self.last_line.lock().expect("no holder panics");
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            tracing::info!("{:>9} {}", self.name, text());
        }
    }
}
