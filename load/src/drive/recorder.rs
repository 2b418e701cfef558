//! What is counted of the answers.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::{Instant, sleep_until};

use super::Load;
use super::connection::Answer;
use super::pace::Window;
use super::usage::Usage;

/// The longest time that a histogram can hold, in microseconds.
const LATENCY_MAX: u64 = 120_000_000;

/// Digits of a time that are kept: every client has its own histograms, and a third digit makes
/// them eight times as large.
const DIGITS: u8 = 2;

/// Answers, counted and timed. All times are in microseconds.
pub(crate) struct Answers {
    statuses: BTreeMap<u16, u64>,
    done: Histogram<u64>,
    refused: Histogram<u64>,
    /// From the answer to a command until a query showed it.
    queryable: Histogram<u64>,
    /// Answers of 503 that did not say when to retry.
    pub(crate) refused_without_retry_after: u64,
    /// Requests whose connection broke.
    pub(crate) broken: u64,
    /// Answers of 2xx in the whole run, measured or not.
    pub(crate) done_in_all: u64,
}

/// What all clients of a run saw.
pub(crate) struct Measured {
    pub(crate) clients: usize,
    pub(crate) seconds: f64,
    pub(crate) usage: Usage,
    pub(crate) answers: Answers,
}

impl Answers {
    pub(super) fn new() -> Self {
        let empty = Histogram::new_with_max(LATENCY_MAX, DIGITS).expect("the bounds are valid");
        Self {
            statuses: BTreeMap::new(),
            done: empty.clone(),
            refused: empty.clone(),
            queryable: empty,
            refused_without_retry_after: 0,
            broken: 0,
            done_in_all: 0,
        }
    }

    pub(super) fn answered(&mut self, window: Window, due: Instant, at: Instant, answer: &Answer) {
        let is_timed = window.holds(if window.by_due_time { due } else { at });
        self.done_in_all += u64::from((200..300).contains(&answer.status));
        if window.holds(at) {
            *self.statuses.entry(answer.status).or_default() += 1;
        }
        if !is_timed {
            return;
        }
        let latency = micros(at.saturating_duration_since(due));
        match answer.status {
            200..300 => self.done.saturating_record(latency),
            503 => {
                self.refused.saturating_record(latency);
                self.refused_without_retry_after += u64::from(!answer.has_retry_after);
            }
            _ => {}
        }
    }

    pub(super) fn queryable(&mut self, delay: Duration) {
        self.queryable.saturating_record(micros(delay));
    }

    pub(super) fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (all, one) in [
            (&mut self.done, other.done),
            (&mut self.refused, other.refused),
            (&mut self.queryable, other.queryable),
        ] {
            all.add(one).expect("histograms of the same bounds add up");
        }
        self.refused_without_retry_after += other.refused_without_retry_after;
        self.broken += other.broken;
        self.done_in_all += other.done_in_all;
    }
}

impl Measured {
    pub(super) fn new(load: &Load) -> Self {
        let seconds = load.duration.as_secs_f64();
        Self { clients: load.clients, seconds, usage: Usage::default(), answers: Answers::new() }
    }

    /// Waits for the end of the window, and records what the programs use within it.
    pub(super) async fn watch(&mut self, window: Window) {
        sleep_until(window.start).await;
        let before = Usage::now();
        sleep_until(window.end).await;
        self.usage = Usage::now().since(&before);
    }

    /// Answers of 2xx a second.
    pub(crate) fn rate(&self) -> f64 {
        self.count(200..300) as f64 / self.seconds
    }

    pub(crate) fn count(&self, statuses: std::ops::Range<u16>) -> u64 {
        self.answers.statuses.range(statuses).map(|(_, count)| count).sum()
    }

    /// The latency of the answers of 2xx at a quantile, in milliseconds.
    pub(crate) fn latency(&self, quantile: f64) -> f64 {
        millis(&self.answers.done, quantile)
    }

    /// The latency of the answers of 503.
    pub(crate) fn refusal_latency(&self, quantile: f64) -> f64 {
        millis(&self.answers.refused, quantile)
    }

    /// The time from the answer to a command until a query showed it.
    pub(crate) fn queryable(&self, quantile: f64) -> f64 {
        millis(&self.answers.queryable, quantile)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(LATENCY_MAX)
}

fn millis(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::super::pace::Pace;
    use super::*;

    #[test]
    fn an_open_run_counts_a_late_answer_from_when_its_request_was_due() {
        let answer = |status| Answer { status, has_retry_after: false, position: None };
        let start = Instant::now();
        let window = Window { start, end: start + Duration::from_secs(1), by_due_time: true };
        let mut answers = Answers::new();
        let ms = Duration::from_millis;
        answers.answered(window, start + ms(10), start + ms(15), &answer(200));
        answers.answered(window, start + ms(990), start + ms(1_490), &answer(200));
        answers.answered(window, start + ms(20), start + ms(21), &answer(503));
        let load = Load::closed(1, Duration::ZERO, ms(1_000));
        let mut measured = Measured::new(&Load { pace: Pace::fixed(3.0), ..load });
        measured.answers.add(answers);
        assert_eq!(measured.count(200..300), 1, "the second one came after the end");
        assert!((495.0..505.0).contains(&measured.latency(1.0)), "{}", measured.latency(1.0));
        assert_eq!(measured.answers.refused_without_retry_after, 1);
    }
}
