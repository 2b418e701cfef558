//! What waits to be published in one lane.
//!
//! An inbox keeps one run of events without a gap. What does not connect to it, or does not fit,
//! is left out and only remembered as the lane's head: the log has it.

use std::collections::VecDeque;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared_events::lane::Position;
use shared_events::recorded::RecordedEvent;
use tokio::sync::Notify;

/// About what an event takes in memory beside its data.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// Where the events of one lane come in, handed over in memory or found by polling.
#[derive(Debug)]
pub(super) struct Inbox {
    contents: Mutex<Contents>,
    wake: Notify,
}

/// Where the next events of a lane are.
#[derive(Debug)]
pub(super) enum Source {
    /// Here they are.
    Handed(VecDeque<Arc<RecordedEvent>>),
    /// In the log, this many of them at least.
    Log { len: usize },
    /// Nowhere: everything known was taken.
    Nothing,
}

impl Inbox {
    /// A closed inbox of at most so many events and bytes.
    pub(super) fn new(len_max: usize, bytes_max: usize) -> Self {
        Self { contents: Mutex::new(Contents::new(len_max, bytes_max)), wake: Notify::new() }
    }

    /// Starts to take events in: the lane is relayed here from now on.
    pub(super) fn open(&self, head: Position) {
        let mut contents = self.contents();
        contents.clear();
        contents.open = true;
        contents.head = head;
    }

    /// Stops taking events in, and forgets those not taken out.
    pub(super) fn close(&self) {
        let mut contents = self.contents();
        contents.clear();
        contents.open = false;
    }

    /// The log reaches at least to `head`; says whether that is news.
    pub(super) fn learn(&self, head: Position) -> bool {
        let mut contents = self.contents();
        let news = contents.open && contents.head < head;
        if news {
            contents.head = head;
            self.wake.notify_one();
        }
        news
    }

    /// The furthest position known to be in the log.
    pub(super) fn head(&self) -> Position {
        self.contents().head
    }

    /// Takes out at most `len_max` events from `next` on.
    pub(super) fn take(&self, next: Position, len_max: usize) -> Source {
        self.contents().take(next, len_max)
    }

    /// Returns when there may be something new, at once if there was since the last call.
    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Takes a committed event in, if it connects and fits. [`Inbox::wake`] when done.
    pub(super) fn offer(&self, event: Arc<RecordedEvent>) {
        self.contents().offer(event);
    }

    /// Wakes whoever waits for something new.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Whether the lane is relayed here.
    pub(super) fn is_open(&self) -> bool {
        self.contents().open
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Nothing here leaves the contents half changed.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Contents {
    open: bool,
    head: Position,
    run: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
    len_max: usize,
    bytes_max: usize,
}

impl Contents {
    fn new(len_max: usize, bytes_max: usize) -> Self {
        Self { open: false, head: Position(0), run: VecDeque::new(), bytes: 0, len_max, bytes_max }
    }

    fn clear(&mut self) {
        // Gives the memory back, too.
        self.run = VecDeque::new();
        self.bytes = 0;
    }

    fn offer(&mut self, event: Arc<RecordedEvent>) {
        if !self.open {
            return;
        }
        self.head = self.head.max(event.position);
        let connects = self.run.back().is_none_or(|last| last.position.next() == event.position);
        let bytes = self.bytes + event_bytes(&event);
        if connects && self.run.len() < self.len_max && bytes <= self.bytes_max {
            self.bytes = bytes;
            self.run.push_back(event);
        }
    }

    fn take(&mut self, next: Position, len_max: usize) -> Source {
        while self.run.front().is_some_and(|event| event.position < next) {
            self.pop();
        }
        let log_until = match self.run.front() {
            Some(first) if first.position == next => {
                return Source::Handed(iter::from_fn(|| self.pop()).take(len_max).collect());
            }
            Some(first) => first.position.0 - 1,
            None => self.head.0,
        };
        match usize::try_from(log_until - next.0 + 1) {
            Ok(len) if len > 0 => Source::Log { len },
            _ => Source::Nothing,
        }
    }

    fn pop(&mut self) -> Option<Arc<RecordedEvent>> {
        let event = self.run.pop_front()?;
        self.bytes -= event_bytes(&event);
        Some(event)
    }
}

/// About what an event takes in memory.
pub(super) fn event_bytes(event: &RecordedEvent) -> usize {
    event.data.get().len() + EVENT_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: i64) -> Arc<RecordedEvent> {
        let event: RecordedEvent = serde_json::from_value(serde_json::json!({
            "lane": 0, "position": position, "stream": "item/A", "version": position,
            "type": "ItemChanged", "schema_version": 1,
            "occurred_at": "2010-12-01T08:26:00Z", "recorded_at": "2010-12-01T08:26:00Z",
            "actor": null, "correlation_id": "c", "causation_id": null,
            "data": {}, "chain": "00".repeat(32),
        }))
        .expect("an event");
        Arc::new(event)
    }

    fn inbox(len_max: usize) -> Inbox {
        let inbox = Inbox::new(len_max, usize::MAX);
        inbox.open(Position(0));
        inbox
    }

    fn offer(inbox: &Inbox, positions: impl Iterator<Item = i64>) {
        positions.for_each(|position| inbox.offer(event(position)));
    }

    /// What `take` gives, in words.
    fn taken(inbox: &Inbox, next: i64, len_max: usize) -> String {
        match inbox.take(Position(next), len_max) {
            Source::Handed(run) => {
                let positions: Vec<i64> = run.iter().map(|event| event.position.0).collect();
                format!("handed {positions:?}")
            }
            Source::Log { len } => format!("log {len}"),
            Source::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn a_run_that_starts_at_the_next_position_is_handed_over() {
        let inbox = inbox(10);
        assert_eq!(taken(&inbox, 1, 10), "nothing");
        offer(&inbox, 1..=3);
        assert_eq!(taken(&inbox, 1, 2), "handed [1, 2]");
        assert_eq!(taken(&inbox, 3, 2), "handed [3]");
        assert_eq!(taken(&inbox, 4, 2), "nothing");
    }

    #[test]
    fn what_was_published_meanwhile_is_dropped() {
        let inbox = inbox(10);
        offer(&inbox, 1..=3);
        assert_eq!(taken(&inbox, 3, 10), "handed [3]");
    }

    #[test]
    fn what_does_not_fit_is_in_the_log() {
        let inbox = inbox(2);
        offer(&inbox, 1..=5);
        assert_eq!(taken(&inbox, 1, 10), "handed [1, 2]");
        assert_eq!(taken(&inbox, 3, 10), "log 3");
    }

    #[test]
    fn another_instances_events_in_between_are_read_from_the_log() {
        let inbox = inbox(10);
        offer(&inbox, 4..=5);
        offer(&inbox, 8..=9);
        assert_eq!(taken(&inbox, 1, 10), "log 3");
        assert_eq!(taken(&inbox, 4, 10), "handed [4, 5]");
        assert_eq!(taken(&inbox, 6, 10), "log 4");
    }

    #[test]
    fn polling_tells_of_what_nobody_handed_over() {
        let inbox = inbox(10);
        assert!(inbox.learn(Position(2)));
        assert!(!inbox.learn(Position(2)), "no news");
        assert_eq!(taken(&inbox, 1, 10), "log 2");
    }

    #[test]
    fn a_lane_relayed_elsewhere_keeps_nothing() {
        let inbox = inbox(10);
        offer(&inbox, 1..=3);
        inbox.close();
        offer(&inbox, 4..=5);
        assert!(!inbox.is_open());
        inbox.open(Position(5));
        assert_eq!(taken(&inbox, 4, 10), "log 2");
    }

    #[test]
    fn an_inbox_is_bounded_in_bytes() {
        let inbox = Inbox::new(usize::MAX, 2 * (EVENT_OVERHEAD_BYTES + 2));
        inbox.open(Position(0));
        offer(&inbox, 1..=3);
        assert_eq!(taken(&inbox, 1, 10), "handed [1, 2]");
        offer(&inbox, 3..=3);
        assert_eq!(taken(&inbox, 3, 10), "handed [3]", "room was given back");
    }
}
