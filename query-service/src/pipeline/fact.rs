//! An event as views get it. PURE.

use std::sync::OnceLock;

use shared_events::chain::Chain;
use shared_events::event::{DecodeError, Event, RedactedEvent};
use shared_events::recorded::RecordedEvent;

/// An event, decoded as far as this binary can.
#[derive(Debug)]
pub struct Fact {
    pub recorded: RecordedEvent,
    /// An unknown type is an error only when the event is next in its lane.
    pub event: Result<Event, DecodeError>,
    /// The chain that the event was found to follow from, so that only one view has to compute it.
    follows: OnceLock<Chain>,
}

impl Fact {
    pub fn of(recorded: RecordedEvent) -> Self {
        let event = recorded.event();
        Self { recorded, event, follows: OnceLock::new() }
    }

    /// The earlier events of its lane that lost bytes in its transaction.
    pub fn redactions(&self) -> &[RedactedEvent] {
        match &self.event {
            Ok(Event::EventsRedacted(redacted)) => &redacted.events,
            _ => &[],
        }
    }

    /// Whether the event's chain follows from this one.
    pub fn follows(&self, chain: Chain) -> bool {
        let Self { recorded, follows, .. } = self;
        if follows.get() == Some(&chain) {
            return true;
        }
        let is_next = recorded.chain_after(chain) == recorded.chain;
        if is_next {
            // Another view may have been first, with the same chain.
            let _ = follows.set(chain);
        }
        is_next
    }
}
