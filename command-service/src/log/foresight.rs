//! Whether a batch may be decided ahead of its locks, and what time it has then.

use std::time::Duration;

use shared_events::time::Timestamp;
use tokio::time::Instant;

/// How far the time of a batch that was foreseen may be behind the database's clock when it gets its
/// locks; `append_foreseen` refuses what is later. What is settled at a moment is known so long after.
pub(crate) const BEHIND_MAX: Duration = Duration::from_millis(100);

/// Nothing is foreseen when the database was last heard longer ago. It is also how long a connection is
/// trusted to be alive: on a dead one nobody could say whether the statement was executed.
const SILENCE_MAX: Duration = Duration::from_secs(1);

/// An answer that took longer says too little about the clock.
const ANSWER_MAX: Duration = Duration::from_millis(50);

/// Batches that are locked first after one was foreseen wrongly, at most: where instances share the
/// lanes, each is mostly wrong.
const PAUSE_MAX: u32 = 64;

/// What the writer expects of the database without asking it.
#[derive(Debug, Default)]
pub(super) struct Foresight {
    clock: Clock,
    /// The latest time of a batch.
    latest: Option<Timestamp>,
    /// Batches that are not foreseen before the next that is, and how many those were last time.
    paused: u32,
    pause: u32,
}

/// The database's clock, never behind it: a question is asked before the clock is looked at, so what
/// the clock said and the time since the question is ahead of it by as long as the question took to get
/// there (Cristian, 1989). The quickest question of a second or two is the one that counts.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    /// The best of the present second and of the one before, each with when it was asked.
    present: Option<(Timestamp, Instant)>,
    past: Option<(Timestamp, Instant)>,
    /// When the present second began, and when the database was heard last.
    since: Option<Instant>,
    heard: Option<Instant>,
}

impl Clock {
    fn hear(&mut self, asked: Instant, said: Timestamp, now: Instant) {
        self.heard = Some(now);
        if now.duration_since(asked) > ANSWER_MAX {
            return;
        }
        if self.since.is_none_or(|since| now.duration_since(since) > SILENCE_MAX) {
            (self.past, self.present, self.since) = (self.present, None, Some(now));
        }
        let is_ahead = |best| at(best, now) > at((said, asked), now);
        if self.present.is_none_or(is_ahead) {
            self.present = Some((said, asked));
        }
    }

    fn at(&self, now: Instant) -> Option<Timestamp> {
        let heard = self.heard?;
        if now.duration_since(heard) > SILENCE_MAX {
            return None;
        }
        let known = [self.present, self.past].into_iter().flatten();
        known.map(|known| at(known, now)).min()
    }
}

/// What a clock says now that said something when it was asked.
fn at((said, asked): (Timestamp, Instant), now: Instant) -> Timestamp {
    Timestamp::new(said.to_utc() + now.duration_since(asked))
}

impl Foresight {
    /// Notes what the database's clock said to a question asked then.
    pub(super) fn hear(&mut self, asked: Instant, said: Timestamp) {
        self.clock.hear(asked, said, Instant::now());
    }

    /// Notes a time that is recorded, before which nothing that follows may be.
    pub(super) fn recorded(&mut self, at: Timestamp) {
        self.latest = self.latest.max(Some(at));
    }

    /// Whether a batch may be begun now.
    pub(super) fn begin(&mut self) -> bool {
        if self.paused > 0 {
            self.paused -= 1;
            return false;
        }
        true
    }

    /// The time of what is decided now: not before the database's clock, and past when it is answered,
    /// for that takes longer than the quickest question. Nothing while it cannot be told.
    pub(super) fn time(&mut self) -> Option<Timestamp> {
        let now = self.clock.at(Instant::now())?;
        self.recorded(now);
        self.latest
    }

    /// The log was as it was foreseen.
    pub(super) fn right(&mut self) {
        self.pause = 0;
        metrics::counter!("stockbook_writer_foreseen_total", "log" => "as_foreseen").increment(1);
    }

    /// The log was not as it was foreseen.
    pub(super) fn wrong(&mut self) {
        self.pause = (self.pause * 2).clamp(1, PAUSE_MAX);
        self.paused = self.pause;
        metrics::counter!("stockbook_writer_foreseen_total", "log" => "other").increment(1);
    }

    /// What was foreseen wrongly just now was a key, which says nothing about the log: the pause for it
    /// is taken back.
    pub(super) fn was_about_a_key(&mut self) {
        if self.paused == self.pause {
            self.paused = 0;
            self.pause /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// What the database's clock says so long after the beginning.
    fn said(after: Duration) -> Timestamp {
        Timestamp::new(Timestamp::UNIX_EPOCH.to_utc() + after)
    }

    fn ahead(clock: &Clock, began: Instant, after: Duration) -> Option<TimeDelta> {
        let told = clock.at(began + after)?;
        Some(told.to_utc() - said(after).to_utc())
    }

    #[test]
    fn the_clock_is_ahead_by_what_the_quickest_question_took_and_never_behind() {
        let began = Instant::now();
        let mut clock = Clock::default();
        assert_eq!(clock.at(began), None, "nothing was heard");
        for (asked, took) in [(0, 9), (10, 3), (20, 6)] {
            let asked = asked * MILLISECOND;
            clock.hear(
                began + asked,
                said(asked + took * MILLISECOND),
                began + asked + 10 * MILLISECOND,
            );
        }
        assert_eq!(ahead(&clock, began, 40 * MILLISECOND), Some(TimeDelta::milliseconds(3)));
    }

    #[test]
    fn an_answer_that_took_long_says_nothing_but_that_the_database_is_there() {
        let began = Instant::now();
        let mut clock = Clock::default();
        clock.hear(began, said(2 * ANSWER_MAX), began + 2 * ANSWER_MAX);
        assert_eq!(clock.at(began + 2 * ANSWER_MAX), None);
        clock.hear(began, said(MILLISECOND), began + 2 * MILLISECOND);
        assert!(clock.at(began + 2 * MILLISECOND).is_some());
        assert!(clock.at(began + SILENCE_MAX).is_some());
        assert_eq!(clock.at(began + SILENCE_MAX + 3 * MILLISECOND), None, "long not heard");
    }

    #[test]
    fn a_question_that_was_quick_is_forgotten_after_a_second_or_two() {
        let began = Instant::now();
        let mut clock = Clock::default();
        for nth in 0..40 {
            let asked = nth * 100 * MILLISECOND;
            let took = if nth == 0 { MILLISECOND } else { 5 * MILLISECOND };
            clock.hear(began + asked, said(asked + took), began + asked + 10 * MILLISECOND);
            let expected = if nth < 11 {
                1
            } else if nth < 22 {
                continue;
            } else {
                5
            };
            assert_eq!(
                ahead(&clock, began, asked + 10 * MILLISECOND),
                Some(TimeDelta::milliseconds(expected)),
                "question {nth}"
            );
        }
    }

    #[test]
    fn after_a_batch_that_was_foreseen_wrongly_more_and_more_are_not_foreseen() {
        let mut foresight = Foresight::default();
        let pause = |foresight: &mut Foresight| (0..).take_while(|_| !foresight.begin()).count();
        assert_eq!(pause(&mut foresight), 0);
        for expected in [1, 2, 4, 8, 16, 32, 64, 64] {
            foresight.wrong();
            assert_eq!(pause(&mut foresight), expected);
        }
        foresight.right();
        assert_eq!(pause(&mut foresight), 0);
    }

    #[test]
    fn a_key_that_was_used_pauses_nothing_and_takes_no_other_pause_back() {
        let mut foresight = Foresight::default();
        for _ in 0..3 {
            foresight.wrong();
            foresight.was_about_a_key();
            assert!(foresight.begin());
        }
        foresight.wrong();
        foresight.wrong();
        assert!(!foresight.begin());
        foresight.was_about_a_key();
        assert!(!foresight.begin(), "the key was in a batch that was not foreseen");
        assert!(foresight.begin());
    }
}
