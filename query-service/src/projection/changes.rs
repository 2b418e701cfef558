//! What a batch changes in the tables of a projection, whichever it is. PURE.

use shared_events::event::Event;
use shared_events::lane::{Lane, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;

use crate::projection::{Projection, daily_flow, low_stock, stock};

/// What a batch changes, folded in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    Stock(stock::Changes),
    DailyFlow(daily_flow::Changes),
    LowStock(low_stock::Changes),
}

/// An event that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It stands in the stream of something else.
    #[error("the data is not about the stream it stands in")]
    Stream,
    /// A figure leaves the range of 64 bits.
    #[error("a figure leaves the range of 64 bits")]
    Overflow,
}

impl Changes {
    /// No change yet.
    pub fn none(projection: Projection) -> Self {
        match projection {
            Projection::Stock => Self::Stock(stock::Changes::default()),
            Projection::DailyFlow => Self::DailyFlow(daily_flow::Changes::default()),
            Projection::LowStock => Self::LowStock(low_stock::Changes::default()),
        }
    }

    /// Adds one event, after all earlier events of its lane.
    ///
    /// # Errors
    /// The event contradicts itself; nothing has changed then.
    pub fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        if event.stream() != recorded.stream {
            return Err(Unfit::Stream);
        }
        match self {
            Self::Stock(changes) => changes.fold(recorded, event),
            Self::DailyFlow(changes) => changes.fold(recorded, event),
            Self::LowStock(changes) => changes.fold(recorded, event),
        }
    }
}

/// The event that a row shows the state after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub lane: Lane,
    pub position: Position,
    pub version: Version,
    pub recorded_at: Timestamp,
}

impl Place {
    /// The place of an event.
    pub fn of(recorded: &RecordedEvent) -> Self {
        Self {
            lane: recorded.lane,
            position: recorded.position,
            version: recorded.version,
            recorded_at: recorded.recorded_at,
        }
    }
}
