//! The way in from the writer: events handed over in memory right after their commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared_events::lane::Lane;
use shared_events::recorded::RecordedEvent;

use super::inbox::Inbox;

/// Given to the writer: hands freshly committed events to the relay in memory.
#[derive(Debug, Clone)]
pub struct Handoff {
    inboxes: Arc<Inboxes>,
}

impl Handoff {
    pub(super) fn new(inboxes: Arc<Inboxes>) -> Self {
        Self { inboxes }
    }

    /// Takes events that are committed, those of each lane in order. Never waits; what does not
    /// fit is found by polling.
    pub fn offer(&self, events: Vec<Arc<RecordedEvent>>) {
        let mut offered = BTreeSet::new();
        for event in events {
            let lane = event.lane;
            if let Some(inbox) = self.inboxes.get(lane) {
                inbox.offer(event);
                offered.insert(lane);
            }
        }
        // Only now, so that each lane finds all of its run.
        for inbox in offered.iter().filter_map(|lane| self.inboxes.get(*lane)) {
            inbox.wake();
        }
    }
}

/// The inbox of every lane.
#[derive(Debug)]
pub(super) struct Inboxes(BTreeMap<Lane, Arc<Inbox>>);

impl Inboxes {
    /// Inboxes of at most so many events and bytes each.
    pub(super) fn new(lanes: &[Lane], len_max: usize, bytes_max: usize) -> Self {
        let inbox = || Arc::new(Inbox::new(len_max, bytes_max));
        Self(lanes.iter().map(|lane| (*lane, inbox())).collect())
    }

    pub(super) fn get(&self, lane: Lane) -> Option<&Arc<Inbox>> {
        self.0.get(&lane)
    }

    /// The lanes that are relayed here.
    pub(super) fn open(&self) -> Vec<Lane> {
        self.0.iter().filter(|(_, inbox)| inbox.is_open()).map(|(lane, _)| *lane).collect()
    }
}
