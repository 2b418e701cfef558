//! The events that wait to be published, by lane.
//!
//! The writer hands over events in memory right after their commit. An inbox keeps one run of them
//! without a gap; for an event that does not connect or does not fit, it only remembers the head of
//! the lane, for the log has the event.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use tokio::sync::Notify;

/// About the memory of an event in addition to its data.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// The writer's end: sends committed events to the relay, in memory.
#[derive(Debug, Clone)]
pub struct RelaySender {
    inboxes: Arc<Inboxes>,
}

impl RelaySender {
    pub(crate) fn new(inboxes: Arc<Inboxes>) -> Self {
        Self { inboxes }
    }

    /// Takes committed events, those of each lane in order. Never waits; polling finds the events that
    /// do not fit.
    pub fn offer(&self, events: Vec<Arc<RecordedEvent>>) {
        let mut lanes = BTreeSet::new();
        for event in events {
            let lane = event.lane;
            if let Some(inbox) = self.inboxes.get(lane) {
                inbox.offer(event);
                lanes.insert(lane);
            }
        }
        // Only now, so that each lane finds its whole run.
        for inbox in lanes.iter().filter_map(|lane| self.inboxes.get(*lane)) {
            inbox.wake();
        }
    }
}

/// The inbox of every lane.
#[derive(Debug)]
pub(crate) struct Inboxes(BTreeMap<Lane, Arc<Inbox>>);

impl Inboxes {
    /// Creates inboxes with these limits each.
    pub(crate) fn new(lanes: &[Lane], len_max: usize, bytes_max: usize) -> Self {
        let inbox = || Arc::new(Inbox::new(len_max, bytes_max));
        Self(lanes.iter().map(|lane| (*lane, inbox())).collect())
    }

    pub(crate) fn get(&self, lane: Lane) -> Option<&Arc<Inbox>> {
        self.0.get(&lane)
    }

    /// The lanes that are relayed here.
    pub(crate) fn open(&self) -> Vec<Lane> {
        self.0.iter().filter(|(_, inbox)| inbox.is_open()).map(|(lane, _)| *lane).collect()
    }
}

/// The inbox of one lane.
#[derive(Debug)]
pub(crate) struct Inbox {
    contents: Mutex<Contents>,
    wake: Notify,
}

/// Where the next events of a lane are.
#[derive(Debug)]
pub(crate) enum Source {
    /// In the inbox.
    Handed(VecDeque<Arc<RecordedEvent>>),
    /// In the log, this many of them at least.
    Log { len: usize },
    /// Nowhere: all known events were taken.
    Nothing,
}

impl Inbox {
    /// Creates a closed inbox.
    pub(crate) fn new(len_max: usize, bytes_max: usize) -> Self {
        Self { contents: Mutex::new(Contents::new(len_max, bytes_max)), wake: Notify::new() }
    }

    /// Starts to take events in: the lane is relayed here from now on.
    pub(crate) fn open(&self, head: Position) {
        let mut contents = self.contents();
        contents.clear();
        contents.open = true;
        contents.head = head;
    }

    /// Stops taking events in, and forgets those not taken out.
    pub(crate) fn close(&self) {
        let mut contents = self.contents();
        contents.clear();
        contents.open = false;
    }

    /// Notes that the log reaches at least to `head`; returns whether that was unknown.
    pub(crate) fn learn(&self, head: Position) -> bool {
        let mut contents = self.contents();
        let news = contents.open && contents.head < head;
        if news {
            contents.head = head;
            self.wake.notify_one();
        }
        news
    }

    /// The last position known to be in the log.
    pub(crate) fn head(&self) -> Position {
        self.contents().head
    }

    /// Takes at most `len_max` events from `next` on.
    pub(crate) fn take(&self, next: Position, len_max: usize) -> Source {
        self.contents().take(next, len_max)
    }

    /// Waits until there may be something new; returns at once if there was since the last call.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Adds a committed event if it connects and fits. Call [`Inbox::wake`] after the last one.
    pub(crate) fn offer(&self, event: Arc<RecordedEvent>) {
        self.contents().offer(event);
    }

    /// Wakes the lane's relay.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Whether the lane is relayed here.
    pub(crate) fn is_open(&self) -> bool {
        self.contents().open
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // No method leaves the contents half changed.
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
        // A new queue, to return the memory.
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

/// About the memory of an event.
pub(crate) fn event_bytes(event: &RecordedEvent) -> usize {
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

    /// The result of `take`, as text.
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
    fn events_are_handed_over_or_read_from_the_log() {
        type Case = (&'static str, usize, &'static [i64], &'static [(i64, usize, &'static str)]);
        let cases: [Case; 5] = [
            ("nothing came", 10, &[], &[(1, 10, "nothing")]),
            (
                "a run that starts at the next position",
                10,
                &[1, 2, 3],
                &[(1, 2, "handed [1, 2]"), (3, 2, "handed [3]"), (4, 2, "nothing")],
            ),
            ("events published meanwhile are dropped", 10, &[1, 2, 3], &[(3, 10, "handed [3]")]),
            (
                "events that do not fit are in the log",
                2,
                &[1, 2, 3, 4, 5],
                &[(1, 10, "handed [1, 2]"), (3, 10, "log 3")],
            ),
            (
                "events of another instance are in the log",
                10,
                &[4, 5, 8, 9],
                &[(1, 10, "log 3"), (4, 10, "handed [4, 5]"), (6, 10, "log 4")],
            ),
        ];
        for (case, len_max, offered, takes) in cases {
            let inbox = inbox(len_max);
            offer(&inbox, offered.iter().copied());
            for (next, len_max, expected) in takes {
                assert_eq!(taken(&inbox, *next, *len_max), *expected, "{case}");
            }
        }
    }

    #[test]
    fn polling_finds_events_that_were_not_handed_over() {
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
        assert_eq!(taken(&inbox, 3, 10), "handed [3]", "the room is free again");
    }
}
