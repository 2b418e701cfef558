//! Gives decided events their positions in the log.

use std::collections::HashMap;
use std::sync::Arc;

use shared_events::chain::Chain;
use shared_events::event::Event;
use shared_events::lane::{Lane, Position, Version};
use shared_events::personal::Personal;
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;

use crate::log::row::LaneHead;
use crate::log::submission::Origin;

/// The next positions of a batch's lanes, and the batch's time.
#[derive(Debug)]
pub(crate) struct Sequencer {
    heads: HashMap<Lane, LaneHead>,
    recorded_at: Timestamp,
}

impl Sequencer {
    pub(crate) fn new(recorded_at: Timestamp) -> Self {
        Self { heads: HashMap::new(), recorded_at }
    }

    /// The time at which events decided now are recorded.
    pub(crate) fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// Moves the time forward, never back.
    pub(crate) fn advance_time(&mut self, to: Timestamp) {
        self.recorded_at = self.recorded_at.max(to);
    }

    /// The position of a lane's last event, including the events of the batch so far.
    pub(crate) fn position(&self, lane: Lane) -> Position {
        self.heads.get(&lane).map(|head| head.position).unwrap_or_default()
    }

    /// The heads of all lanes after the batch.
    pub(crate) fn into_heads(self) -> HashMap<Lane, LaneHead> {
        self.heads
    }

    pub(crate) fn has_lane(&self, lane: Lane) -> bool {
        self.heads.contains_key(&lane)
    }

    /// Adds a lane, whose time never goes back.
    pub(crate) fn add_lane(&mut self, head: LaneHead) {
        self.recorded_at = head.recorded_at.map_or(self.recorded_at, |at| at.max(self.recorded_at));
        self.heads.insert(head.lane, head);
    }

    /// Records an event at the next position of its lane.
    pub(crate) fn record(
        &mut self,
        lane: Lane,
        event: &Event,
        version: Version,
        occurred_at: Timestamp,
        origin: &Origin,
        personal: Option<&Arc<Personal>>,
    ) -> RecordedEvent {
        let head = self.heads.entry(lane).or_insert_with(|| LaneHead::empty(lane));
        let mut recorded = RecordedEvent {
            lane,
            position: head.position.next(),
            stream: event.stream(),
            version,
            event_type: event.event_type().to_owned(),
            schema_version: event.schema_version(),
            occurred_at,
            recorded_at: self.recorded_at,
            actor: origin.actor.clone(),
            caller: origin.caller.clone(),
            correlation_id: origin.correlation_id.clone(),
            causation_id: origin.causation_id.clone(),
            data: event.to_data(),
            personal: personal.cloned(),
            redacted: None,
            chain: Chain::default(),
            traceparent: origin.traceparent.clone(),
        };
        recorded.chain = recorded.chain_after(head.chain);
        *head = LaneHead::of(&recorded);
        recorded
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_of_a_batch_is_not_before_the_last_time_of_its_lanes() {
        let early = Timestamp::UNIX_EPOCH;
        let late = early + Duration::from_secs(1);
        let head = |lane, recorded_at| LaneHead { recorded_at, ..LaneHead::empty(Lane(lane)) };
        let mut sequencer = Sequencer::new(early);
        sequencer.add_lane(head(0, None));
        assert_eq!(sequencer.recorded_at(), early);
        sequencer.add_lane(head(1, Some(late)));
        assert_eq!(sequencer.recorded_at(), late);
        sequencer.add_lane(head(2, Some(early)));
        assert_eq!(sequencer.recorded_at(), late);
    }
}
