//! Which item is short at which location, and the alerts about it. PURE.
//!
//! Whether an alert is raised or cleared depends on what was before, so a batch is folded into the
//! changes of each item in their order ([`Changes`]), and those are played over the stored state
//! ([`settle`]): event by event, so that the same alerts come about however the events are batched.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod spec;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use shared_events::event::{About, Event};
use shared_events::lane::{EventId, Lane, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};

use crate::projection::changes::{Place, Unfit};

/// What a batch changes, item by item, each item's in the order of its lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The changes of each item.
    pub items: BTreeMap<Sku, Vec<Change>>,
}

/// One change that bears on whether an item is short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// So much is available at a location.
    Available(Place, LocationCode, i64),
    /// The item has this reorder point.
    ReorderPoint(Place, i64),
}

/// What is stored of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// At this quantity it is short; 0 means never. With the event that set it, if one did.
    pub reorder_point: (Option<Place>, i64),
    /// Every location that has a history of it.
    pub levels: BTreeMap<LocationCode, Level>,
}

/// What is stored of an item at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// The event that it shows the state after.
    pub lane: Lane,
    /// Its place.
    pub position: Position,
    /// When that was recorded.
    pub updated_at: Timestamp,
    /// What may be sold.
    pub available: i64,
    /// Whether it is short.
    pub raised: bool,
    /// The event that last raised or cleared it.
    pub alert: Option<(Position, Timestamp)>,
}

/// Whether an item became short, or is so no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It became short.
    Raised,
    /// It is short no longer.
    Cleared,
}

impl AlertState {
    /// The state of a level.
    pub fn of(raised: bool) -> Self {
        if raised { Self::Raised } else { Self::Cleared }
    }
}

/// An item became short at a location, or is so no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The event that brought it about.
    pub place: Place,
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// Whether it is short.
    pub raised: bool,
    /// What was available then.
    pub available: i64,
    /// The reorder point then.
    pub reorder_point: i64,
}

/// The name of an alert: the event that brought it about and the location, since one event may change
/// several locations. The same log gives the same names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlertId(pub EventId, pub LocationCode);

impl fmt::Display for AlertId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.0, self.1)
    }
}

impl Changes {
    /// Adds one event, after all earlier events of its lane.
    ///
    /// # Errors
    /// What is available leaves the range of 64 bits; nothing has changed then.
    pub fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let place = Place::of(recorded);
        match event.about() {
            About::Item(item) => {
                self.add(&item.sku, Change::ReorderPoint(place, item.reorder_point));
            }
            // Nobody orders what is not traded any more.
            About::RetiredItem(item) => self.add(&item.sku, Change::ReorderPoint(place, 0)),
            About::Stock(change) => {
                let available = change.after.checked_available().ok_or(Unfit::Overflow)?;
                self.add(change.sku, Change::Available(place, change.location.clone(), available));
            }
            About::Location(_) | About::Reservation(_) => {}
        }
        Ok(())
    }

    fn add(&mut self, sku: &Sku, change: Change) {
        self.items.entry(sku.clone()).or_default().push(change);
    }
}

/// Plays an item's changes over what is stored of it, and gives the alerts that come about, in order.
pub fn settle(sku: &Sku, item: &mut Item, changes: &[Change]) -> Vec<Alert> {
    let mut alerts = Vec::new();
    for change in changes {
        match change {
            Change::Available(place, location, available) => {
                let level = item.levels.entry(location.clone()).or_insert(Level {
                    lane: place.lane,
                    position: place.position,
                    updated_at: place.recorded_at,
                    available: 0,
                    raised: false,
                    alert: None,
                });
                level.available = *available;
                alerts.extend(level.judge(*place, sku, location, item.reorder_point.1));
            }
            Change::ReorderPoint(place, reorder_point) => {
                item.reorder_point = (Some(*place), *reorder_point);
                for (location, level) in &mut item.levels {
                    alerts.extend(level.judge(*place, sku, location, *reorder_point));
                }
            }
        }
    }
    alerts
}

impl Level {
    fn judge(
        &mut self,
        place: Place,
        sku: &Sku,
        location: &LocationCode,
        reorder_point: i64,
    ) -> Option<Alert> {
        self.position = place.position;
        self.updated_at = place.recorded_at;
        let raised = is_short(self.available, reorder_point, self.raised);
        if raised == self.raised {
            return None;
        }
        self.raised = raised;
        self.alert = Some((place.position, place.recorded_at));
        Some(Alert {
            place,
            sku: sku.clone(),
            location: location.clone(),
            raised,
            available: self.available,
            reorder_point,
        })
    }
}

/// Short at the reorder point or below; what was short stays so up to a tenth above it (at least 1),
/// so that a figure at the edge does not raise and clear with every sale.
fn is_short(available: i64, reorder_point: i64, was_short: bool) -> bool {
    let margin = if was_short { (reorder_point / 10).max(1) } else { 0 };
    reorder_point > 0 && available <= reorder_point.saturating_add(margin)
}
