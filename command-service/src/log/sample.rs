//! Recorded events to test with.

use chrono::TimeDelta;
use shared_events::chain::Chain;
use shared_events::event::Event;
use shared_events::lane::{Lane, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;

/// The fact as the nth of lane 3 and of its stream, recorded n seconds into 2026, without its chain.
pub(crate) fn recorded(fact: &Event, nth: i64) -> RecordedEvent {
    let new_year: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let at = Timestamp::new(new_year.to_utc() + TimeDelta::seconds(nth));
    RecordedEvent {
        lane: Lane(3),
        position: Position(nth),
        stream: fact.stream(),
        version: Version(nth),
        event_type: fact.event_type().to_owned(),
        schema_version: fact.schema_version(),
        occurred_at: at,
        recorded_at: at,
        actor: None,
        caller: None,
        personal: None,
        redacted: None,
        correlation_id: "c".parse().unwrap(),
        causation_id: None,
        data: fact.to_data(),
        chain: Chain::default(),
        traceparent: None,
    }
}
