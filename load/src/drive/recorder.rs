//! What is counted of the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};

use super::Load;
use super::connection::Answer;
use super::usage::{Usage, Used, own_processor_time};

const UNAVAILABLE: u16 = 503;

/// The longest time that a histogram tells apart, in microseconds.
const LATENCY_MAX: u64 = 120_000_000;

/// Digits of a time that are kept: every client has histograms of its own, and a third digit makes
/// them eight times as large.
const DIGITS: u8 = 2;

/// The part of a run that is measured.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// When it begins.
    pub start: Instant,
    /// When it ends.
    pub end: Instant,
    /// Whether a latency belongs to it by when its request was due, or by when it was answered.
    pub by_intent: bool,
}

impl Window {
    fn holds(&self, moment: Instant) -> bool {
        (self.start..self.end).contains(&moment)
    }
}

/// What one client saw.
#[derive(Debug)]
pub struct Recorder {
    window: Window,
    seen: Seen,
}

/// Answers, counted and timed.
#[derive(Debug)]
struct Seen {
    statuses: BTreeMap<u16, u64>,
    done: Histogram<u64>,
    refused: Histogram<u64>,
    refused_without_retry_after: u64,
    broken: u64,
    done_in_all: u64,
}

/// What all clients of a run saw.
#[derive(Debug)]
pub struct Measured {
    /// Clients that drove.
    pub clients: usize,
    /// Seconds that were measured.
    pub seconds: f64,
    /// How much of one core the generator itself used.
    pub generator_share: f64,
    /// What each program started here used meanwhile.
    pub usage: BTreeMap<String, Used>,
    seen: Seen,
}

impl Recorder {
    /// Counts what falls into a window.
    #[must_use]
    pub fn new(window: Window) -> Self {
        Self { window, seen: Seen::new() }
    }

    /// An answer to the request that was due at a moment.
    pub fn answered(&mut self, intended: Instant, at: Instant, answer: &Answer) {
        let is_timed = self.window.holds(if self.window.by_intent { intended } else { at });
        self.seen.done_in_all += u64::from((200..300).contains(&answer.status));
        if self.window.holds(at) {
            *self.seen.statuses.entry(answer.status).or_default() += 1;
        }
        if !is_timed {
            return;
        }
        let latency = at.saturating_duration_since(intended);
        match answer.status {
            200..300 => self.seen.done.saturating_record(micros(latency)),
            UNAVAILABLE => {
                self.seen.refused.saturating_record(micros(latency));
                self.seen.refused_without_retry_after += u64::from(!answer.has_retry_after);
            }
            _ => {}
        }
    }

    /// A request whose connection broke.
    pub fn broke_off(&mut self, at: Instant) {
        self.seen.broken += u64::from(self.window.holds(at));
    }
}

impl Seen {
    fn new() -> Self {
        let histogram = || {
            Histogram::new_with_max(LATENCY_MAX, DIGITS)
                .expect("the bounds are ones a histogram has")
        };
        Self {
            statuses: BTreeMap::new(),
            done: histogram(),
            refused: histogram(),
            refused_without_retry_after: 0,
            broken: 0,
            done_in_all: 0,
        }
    }
}

impl Measured {
    /// Nothing yet, of a load.
    #[must_use]
    pub fn new(load: &Load) -> Self {
        let seconds = load.duration.as_secs_f64();
        Self {
            clients: load.clients,
            seconds,
            generator_share: 0.0,
            usage: BTreeMap::new(),
            seen: Seen::new(),
        }
    }

    /// Waits for the end of the window, and notes what is used within it.
    pub async fn watch(&mut self, window: Window) {
        sleep_until(window.start).await;
        let (own, usage) = (own_processor_time(), Usage::now());
        sleep_until(window.end).await;
        let own = own_processor_time().saturating_sub(own);
        self.generator_share = own.as_secs_f64() / self.seconds;
        self.usage = Usage::now().since(&usage);
    }

    /// Adds what one client saw.
    pub fn add(&mut self, client: Recorder) {
        let Seen { statuses, done, refused, refused_without_retry_after, broken, done_in_all } =
            client.seen;
        for (status, count) in statuses {
            *self.seen.statuses.entry(status).or_default() += count;
        }
        let fits = "histograms of the same bounds add up";
        self.seen.done.add(done).expect(fits);
        self.seen.refused.add(refused).expect(fits);
        self.seen.refused_without_retry_after += refused_without_retry_after;
        self.seen.broken += broken;
        self.seen.done_in_all += done_in_all;
    }

    /// Answers of 2xx a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.count(200..300) as f64 / self.seconds
    }

    /// How many answers had one of these statuses.
    #[must_use]
    pub fn count(&self, statuses: std::ops::Range<u16>) -> u64 {
        self.seen.statuses.range(statuses).map(|(_, count)| count).sum()
    }

    /// Answers of 2xx in the whole run, measured or not.
    #[must_use]
    pub fn done_in_all(&self) -> u64 {
        self.seen.done_in_all
    }

    /// The time within which this part of the answers of 2xx came, in milliseconds.
    #[must_use]
    pub fn latency(&self, quantile: f64) -> f64 {
        millis(self.seen.done.value_at_quantile(quantile))
    }

    /// The same of answers of 503.
    #[must_use]
    pub fn refusal_latency(&self, quantile: f64) -> f64 {
        millis(self.seen.refused.value_at_quantile(quantile))
    }

    /// Answers of 503 that did not say when to try again.
    #[must_use]
    pub fn refused_without_retry_after(&self) -> u64 {
        self.seen.refused_without_retry_after
    }

    /// Requests whose connection broke.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.seen.broken
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(LATENCY_MAX)
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16) -> Answer {
        Answer { status, has_retry_after: false, position: None }
    }

    #[test]
    fn an_open_run_counts_a_late_answer_from_when_its_request_was_due() {
        let start = Instant::now();
        let window = Window { start, end: start + Duration::from_secs(1), by_intent: true };
        let mut recorder = Recorder::new(window);
        let ms = Duration::from_millis;
        recorder.answered(start + ms(10), start + ms(15), &answer(200));
        recorder.answered(start + ms(990), start + ms(1_490), &answer(200));
        recorder.answered(start + ms(20), start + ms(21), &answer(503));
        let mut measured = Measured::new(&Load::open(1, 3.0, Duration::ZERO, ms(1_000)));
        measured.add(recorder);
        assert_eq!(measured.count(200..300), 1, "the second one came after the end");
        assert!((495.0..505.0).contains(&measured.latency(1.0)), "{}", measured.latency(1.0));
        assert_eq!(measured.refused_without_retry_after(), 1);
    }
}
