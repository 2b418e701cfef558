//! Orders after their last step. PURE.

use std::collections::BTreeMap;

use shared_events::event::{About, Event};
use shared_events::lane::EventId;
use shared_events::order::{Order, StepName};
use shared_events::recorded::RecordedEvent;
use shared_events::redaction::RedactedMember;
use shared_events::time::Timestamp;
use shared_events::values::OrderId;

use crate::projection::{EventPosition, Fold, Unfit};

/// What a batch changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub orders: BTreeMap<OrderId, OrderRow>,
    /// The events whose references were removed.
    pub without_reference: Vec<EventId>,
}

/// An order after its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    pub at: EventPosition,
    /// When the first folded step was recorded. It counts for new rows only; a stored row keeps the
    /// time it has.
    pub made_at: Timestamp,
    pub order: Order,
    /// The events of the steps that the batch changed. A stored row keeps those of others.
    pub events: BTreeMap<StepName, EventId>,
}

impl Fold for Changes {
    fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let step = match event.about() {
            About::Order(step) => step,
            About::Redaction(redacted) => {
                self.without_reference.extend(redacted.without(RedactedMember::Reference));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let at = EventPosition::of(recorded);
        let order = step.after.clone();
        let earlier = self.orders.remove(&order.id);
        let (made_at, mut events) = match earlier {
            Some(earlier) => (earlier.made_at, earlier.events),
            None => (at.recorded_at, BTreeMap::new()),
        };
        let changed = order.steps.iter().filter(|step| step.version == recorded.version);
        events.extend(changed.map(|step| (step.name, recorded.id())));
        self.orders.insert(order.id.clone(), OrderRow { at, made_at, order, events });
        Ok(())
    }
}
