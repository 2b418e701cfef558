//! How far a replay is: a bar on a terminal, else a plain line every few seconds. All on stderr.

use std::fmt;
use std::io::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// One part of a replay, from its start to its end.
#[derive(Debug)]
pub(super) struct Progress {
    name: &'static str,
    bar: ProgressBar,
    last_line: Mutex<Instant>,
}

impl Progress {
    /// Begins a part with so many steps.
    pub(super) fn start(name: &'static str, steps: usize) -> Self {
        let style = ProgressStyle::with_template(
            "{prefix:>9} {bar:40} {pos}/{len} {rate} {eta} {wide_msg}",
        )
        .expect("the template is fixed and valid")
        .with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
            // A rate that cannot be shown is no reason to stop.
            let _ = write!(out, "{:.0}/s", state.per_sec());
        });
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        Self {
            name,
            bar: bar.with_style(style).with_prefix(name),
            last_line: Mutex::new(Instant::now()),
        }
    }

    /// So many more steps are done.
    pub(super) fn advance(&self, steps: u64) {
        if !self.bar.message().is_empty() {
            self.bar.set_message("");
        }
        self.bar.inc(steps);
        let steps = self.bar.length().unwrap_or_default();
        self.say(|| format!("{} of {steps}", self.bar.position()));
    }

    /// Nothing can be done just now.
    pub(super) fn waiting(&self, why: &str) {
        self.bar.set_message(format!("waiting: {why}"));
        self.say(|| format!("waiting: {why}"));
    }

    /// The part is done; says how long it took.
    pub(super) fn finish(self) -> Duration {
        let took = self.bar.elapsed();
        self.bar.finish_and_clear();
        self.line(&format!("{} in {:.1} s", self.bar.position(), took.as_secs_f64()));
        took
    }

    /// Writes a line when there is no bar and the last one is long enough ago.
    fn say(&self, text: impl Fn() -> String) {
        if !self.bar.is_hidden() {
            return;
        }
        let mut last = self.last_line.lock().expect("nobody panics holding it");
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            self.line(&text());
        }
    }

    /// Progress nobody can read is no reason to stop.
    fn line(&self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{:>9} {text}", self.name);
    }
}
