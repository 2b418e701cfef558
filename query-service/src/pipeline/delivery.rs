//! What the runner receives: records from Kafka, pages of the log, heads of the log.

use std::collections::BTreeMap;

use shared_events::event::{DecodeError, Event};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use tokio::time::Instant;

use crate::pipeline::checkpoint::Checkpoint;

#[derive(Debug)]
pub enum Delivery {
    /// Records from Kafka, in the order of each partition.
    Records(Vec<Arrival>),
    Page(Page),
    Heads(Heads),
}

/// The last event of every lane.
#[derive(Debug, Clone)]
pub struct Heads {
    /// When the log was asked. Later events may be applied by now.
    pub asked_at: Instant,
    pub lanes: BTreeMap<Lane, Checkpoint>,
}

/// Events of a lane after a position, read from the log. None at the end of the lane.
#[derive(Debug)]
pub struct Page {
    pub lane: Lane,
    pub after: Position,
    pub events: Vec<Arrival>,
}

/// One record or line that arrived for a lane.
#[derive(Debug)]
pub struct Arrival {
    pub lane: Lane,
    /// The offset to continue from, if it came from Kafka.
    pub next_offset: Option<i64>,
    pub content: Result<Fact, Unreadable>,
}

impl Arrival {
    /// The event's id, or where it was read; for logs and operators.
    pub fn name(&self) -> String {
        match &self.content {
            Ok(fact) => fact.recorded.id().to_string(),
            Err(unreadable) => unreadable.place.clone(),
        }
    }
}

/// An event, decoded as far as this binary can.
#[derive(Debug)]
pub struct Fact {
    pub recorded: RecordedEvent,
    /// An unknown type is an error only when the event is next in its lane.
    pub event: Result<Event, DecodeError>,
}

impl Fact {
    pub fn of(recorded: RecordedEvent) -> Self {
        let event = recorded.event();
        Self { recorded, event }
    }
}

/// Something in a lane that is not an event.
#[derive(Debug)]
pub struct Unreadable {
    /// Where it was read.
    pub place: String,
    pub error: String,
}
