//! What is handed to a projection: records from Kafka, pages of the log, the log's heads.

use std::collections::BTreeMap;

use shared_events::event::{DecodeError, Event};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use tokio::time::Instant;

use crate::projection::checkpoint::Checkpoint;

/// One hand-over.
#[derive(Debug)]
pub enum Delivery {
    /// Records that Kafka brought, in the order of each lane's partition.
    Records(Vec<Arrival>),
    /// Events of a lane from the log itself.
    Page(Page),
    /// How far the log goes.
    Heads(Heads),
}

/// How far the log goes.
#[derive(Debug)]
pub struct Heads {
    /// When it was asked, so what is applied by now may be news to it.
    pub asked_at: Instant,
    /// The last event of every lane.
    pub lanes: BTreeMap<Lane, Checkpoint>,
}

/// Some events of a lane, read from the log.
#[derive(Debug)]
pub struct Page {
    /// The lane.
    pub lane: Lane,
    /// The position they were asked for after.
    pub after: Position,
    /// The events after it; none at the lane's end.
    pub events: Vec<Arrival>,
}

/// One record or line that came in for a lane.
#[derive(Debug)]
pub struct Arrival {
    /// The lane it came in for.
    pub lane: Lane,
    /// Where Kafka goes on after it, when it came by Kafka.
    pub next_offset: Option<i64>,
    /// The event, or what it was found to be instead.
    pub content: Result<Fact, Unreadable>,
}

impl Arrival {
    /// What to call it in front of people: the event's id, or where it was met.
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
    /// The event with its place in the log.
    pub recorded: RecordedEvent,
    /// The payload. An unknown type is an error only once its turn comes.
    pub event: Result<Event, DecodeError>,
}

impl Fact {
    /// Decodes the payload of a recorded event.
    pub fn of(recorded: RecordedEvent) -> Self {
        let event = recorded.event();
        Self { recorded, event }
    }
}

/// Something in a lane that is not an event.
#[derive(Debug)]
pub struct Unreadable {
    /// Where it was met.
    pub place: String,
    /// What is wrong with it.
    pub error: String,
}
