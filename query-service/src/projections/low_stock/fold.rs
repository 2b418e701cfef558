//! Which item is short at which location, and the alerts about it; which transfers are overdue, and which orders
//! wait for an operator. PURE.
//!
//! An alert depends on the state before it. So a batch is folded into the ordered changes of each item
//! ([`Changes`]), and [`evaluate`] applies them to the stored state one by one: the alerts do not
//! depend on how the events were batched.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use shared_events::event::{About, Event, Reference};
use shared_events::lane::{EventId, Lane, Position};
use shared_events::order::{StepName, StepStatus};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, OrderId, Sku, TransferId};

use crate::projection::{EventPosition, Fold, Unfit};
use crate::projections::reorder_point::reorder_point;

/// What a batch changes: the changes of each item, in the order of its lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub items: BTreeMap<Sku, Vec<Change>>,
    pub overdue: Vec<Overdue>,
    pub stuck: Vec<Stuck>,
}

/// A transfer that was not done when it was expected. The log says so once for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    pub at: EventPosition,
    pub transfer: TransferId,
    pub expected_at: Timestamp,
    pub reference: Option<Reference>,
}

/// An order that waits for an operator. The log says so once for each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    pub at: EventPosition,
    pub order: OrderId,
    /// The step that it waits at.
    pub step: StepName,
}

/// One change that may make an item short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Available(EventPosition, LocationCode, i64),
    ReorderPoint(EventPosition, i64),
}

/// The stored state of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// The item is short at this quantity; 0 means never. With the event of this batch that set it.
    pub reorder_point: (Option<EventPosition>, i64),
    pub levels: BTreeMap<LocationCode, Level>,
}

/// The stored state of an item at a location, after the event at `lane` and `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub lane: Lane,
    pub position: Position,
    pub updated_at: Timestamp,
    pub available: i64,
    pub raised: bool,
    /// The event that last raised or cleared it.
    pub alert: Option<(Position, Timestamp)>,
}

/// Whether an item became short or is no longer short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It became short.
    Raised,
    /// It is short no longer.
    Cleared,
}

impl AlertState {
    pub fn of(raised: bool) -> Self {
        if raised { Self::Raised } else { Self::Cleared }
    }
}

/// An item became short at a location or is no longer short there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The event that caused it.
    pub at: EventPosition,
    pub sku: Sku,
    pub location: LocationCode,
    pub raised: bool,
    pub available: i64,
    pub reorder_point: i64,
}

/// Names an alert by its event and location, since one event may change several locations. The same
/// log gives the same names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertId(pub EventId, pub LocationCode);

impl fmt::Display for AlertId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.0, self.1)
    }
}

impl Fold for Changes {
    fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let at = EventPosition::of(recorded);
        let about = event.about();
        if let Some((sku, reorder_point)) = reorder_point(&about) {
            self.add(sku, Change::ReorderPoint(at, reorder_point));
        }
        if let About::Stock(change) = about {
            let available = change.after.checked_available().ok_or(Unfit::Overflow)?;
            self.add(change.sku, Change::Available(at, change.location.clone(), available));
        }
        if let Event::TransferOverdue(step) = event
            && let Some(expected_at) = step.after.expected_at
        {
            let (transfer, reference) = (step.after.id.clone(), step.after.reference.clone());
            self.overdue.push(Overdue { at, transfer, expected_at, reference });
        }
        if let Event::OrderNeedsOperator(step) = event {
            let steps = step.after.steps.iter();
            let stuck = steps.filter(|step| step.status == StepStatus::NeedsOperator);
            let order = &step.after.id;
            self.stuck.extend(stuck.map(|step| Stuck {
                at,
                order: order.clone(),
                step: step.name,
            }));
        }
        Ok(())
    }
}

impl Changes {
    fn add(&mut self, sku: &Sku, change: Change) {
        self.items.entry(sku.clone()).or_default().push(change);
    }
}

/// Applies an item's changes to its stored state and returns the alerts that follow, in order.
pub fn evaluate(sku: &Sku, item: &mut Item, changes: &[Change]) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for change in changes {
        match change {
            Change::Available(at, location, available) => {
                let level = item.levels.entry(location.clone()).or_insert(Level {
                    lane: at.lane,
                    position: at.position,
                    updated_at: at.recorded_at,
                    available: 0,
                    raised: false,
                    alert: None,
                });
                level.available = *available;
                alerts.extend(level.update(*at, sku, location, item.reorder_point.1));
            }
            Change::ReorderPoint(at, reorder_point) => {
                item.reorder_point = (Some(*at), *reorder_point);
                for (location, level) in &mut item.levels {
                    alerts.extend(level.update(*at, sku, location, *reorder_point));
                }
            }
        }
    }
    alerts
}

impl Level {
    fn update(
        &mut self,
        at: EventPosition,
        sku: &Sku,
        location: &LocationCode,
        reorder_point: i64,
    ) -> Option<Alert> {
        self.position = at.position;
        self.updated_at = at.recorded_at;
        let raised = is_short(self.available, reorder_point, self.raised);
        if raised == self.raised {
            return None;
        }
        self.raised = raised;
        self.alert = Some((at.position, at.recorded_at));
        Some(Alert {
            at,
            sku: sku.clone(),
            location: location.clone(),
            raised,
            available: self.available,
            reorder_point,
        })
    }
}

/// An item is short at its reorder point or below. It stays short up to a tenth above (at least 1), so
/// that a figure near the limit does not raise and clear an alert with every sale.
fn is_short(available: i64, reorder_point: i64, was_short: bool) -> bool {
    let margin = if was_short { (reorder_point / 10).max(1) } else { 0 };
    reorder_point > 0 && available <= reorder_point.saturating_add(margin)
}
