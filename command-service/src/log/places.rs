//! Giving decided events their places.

use std::collections::HashMap;

use shared_events::chain::Chain;
use shared_events::event::Event;
use shared_events::lane::{Lane, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;

use super::cache::LaneClock;
use super::submission::Origin;

/// The places a batch may give out: those after the heads of its lanes, at its time.
#[derive(Debug)]
pub(super) struct Places {
    heads: HashMap<Lane, LaneClock>,
    recorded_at: Timestamp,
}

impl Places {
    pub(super) fn new(
        heads: impl IntoIterator<Item = (Lane, LaneClock)>,
        recorded_at: Timestamp,
    ) -> Self {
        Self { heads: heads.into_iter().collect(), recorded_at }
    }

    /// When what is decided now is recorded.
    pub(super) fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// Moves the time on; never back.
    pub(super) fn pass_time(&mut self, to: Timestamp) {
        self.recorded_at = self.recorded_at.max(to);
    }

    /// The head of a lane after the places given out so far.
    pub(super) fn head(&self, lane: Lane) -> LaneClock {
        self.heads.get(&lane).copied().unwrap_or_default()
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = (Lane, LaneClock)> + '_ {
        self.heads.iter().map(|(lane, clock)| (*lane, *clock))
    }

    /// Whether places may be given out in a lane.
    pub(super) fn has(&self, lane: Lane) -> bool {
        self.heads.contains_key(&lane)
    }

    /// Lets places be given out in one more lane.
    pub(super) fn open(&mut self, lane: Lane, head: LaneClock) {
        self.heads.insert(lane, head);
    }

    /// Gives an event the next place in its lane.
    pub(super) fn place(
        &mut self,
        lane: Lane,
        event: &Event,
        version: Version,
        occurred_at: Option<Timestamp>,
        origin: &Origin,
    ) -> RecordedEvent {
        let head = self.heads.entry(lane).or_default();
        let mut recorded = RecordedEvent {
            lane,
            position: head.position.next(),
            stream: event.stream(),
            version,
            event_type: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            occurred_at: occurred_at.unwrap_or(self.recorded_at),
            recorded_at: self.recorded_at,
            actor: origin.actor.clone(),
            correlation_id: origin.correlation_id.clone(),
            causation_id: origin.causation_id.clone(),
            data: event.to_data(),
            chain: Chain::default(),
            traceparent: origin.traceparent.clone(),
        };
        recorded.chain = recorded.chain_after(head.chain);
        *head = LaneClock { position: recorded.position, chain: recorded.chain };
        recorded
    }
}
