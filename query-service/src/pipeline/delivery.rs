//! What the runner receives: records from Kafka, pages of the log, heads of the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared_events::lane::{Lane, Position};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::fact::Fact;

/// So many records are worth a transaction: nobody waits for more.
pub const LINGER_RECORDS_MAX: usize = 1_000;

#[derive(Debug)]
pub enum Delivery {
    Records(Records),
    Page(Page),
    Heads(Heads),
}

/// Records from Kafka, in the order of each partition, shared with the other views.
#[derive(Debug)]
pub struct Records {
    pub arrivals: Vec<Arc<Arrival>>,
    /// Held until they are applied.
    pub room: OwnedSemaphorePermit,
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
    pub events: Vec<Arc<Arrival>>,
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
    /// The event's position, if it is readable.
    pub fn position(&self) -> Option<Position> {
        self.content.as_ref().ok().map(|fact| fact.recorded.position)
    }

    /// The event's id, or where it was read; for logs and operators.
    pub fn name(&self) -> String {
        match &self.content {
            Ok(fact) => fact.recorded.id().to_string(),
            Err(unreadable) => unreadable.place.clone(),
        }
    }
}

/// Something in a lane that is not an event.
#[derive(Debug)]
pub struct Unreadable {
    /// Where it was read.
    pub place: String,
    pub error: String,
}
