//! Reversals.

use std::fmt;

use shared_events::event::Cause;
use shared_events::lane::EventId;
use shared_events::values::{Label, ReversalId};

/// Record the exact opposites of earlier events; all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverse {
    /// The id of the new reversal.
    pub id: ReversalId,
    pub target: Target,
    /// Whether available may become negative.
    pub accept_shortage: bool,
    pub cause: Cause,
}

/// Names the reversal targets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// One event; if it is one half of a move, the other half too.
    Event(EventId),
    /// Every stock event of this correlation that is recorded before the request.
    Correlation(Label),
    /// The events of an earlier reversal.
    Reversal(ReversalId),
    /// These events, all of one correlation: a step of a window reversal.
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
