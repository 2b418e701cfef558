//! Taking back what was booked.

use std::fmt;

use shared_events::event::Cause;
use shared_events::lane::EventId;
use shared_events::values::{Label, ReversalId};

/// Take back what earlier commands booked, by exact opposites; all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverse {
    /// The id that the reversal gets.
    pub id: ReversalId,
    /// What is taken back.
    pub target: Target,
    /// Why.
    pub cause: Cause,
}

/// What a reversal takes back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// One event, and with a half of a move its other half.
    Event(EventId),
    /// Every stock event of this correlation that is recorded before the request.
    Correlation(Label),
    /// What an earlier reversal did.
    Reversal(ReversalId),
    /// These events, all of one correlation: a step of a reversal of a window.
    Events(Vec<EventId>),
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(id) => id.fmt(out),
            Self::Correlation(id) => id.fmt(out),
            Self::Reversal(id) => id.fmt(out),
            Self::Events(ids) => write!(out, "{} events", ids.len()),
        }
    }
}
