//! The views' rows as values, and what they are made of.

use std::fmt::Display;

use shared_events::chain::data_hash;
use shared_events::event::{Context, Event, Figures, ItemDetails, LocationDetails};
use shared_events::lane::{Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::{Reservation, ReservationLine};
use shared_events::time::Timestamp;

/// Columns with their values as text, in a fixed order.
pub type Members = Vec<(&'static str, String)>;

/// A row of `movements`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementRow {
    pub position: Position,
    pub sku: String,
    pub location: String,
    pub event_type: String,
    pub reason: Option<String>,
    pub reference_type: Option<String>,
    pub reference_id: Option<String>,
    pub reference_line: Option<String>,
    pub actor: Option<String>,
    pub correlation_id: String,
    pub occurred_at: Timestamp,
    pub recorded_at: Timestamp,
    pub after: Figures,
    pub delta: Figures,
    pub version: Version,
    pub reservation: Option<String>,
    pub reservation_line: Option<i64>,
    pub expires_at: Option<Timestamp>,
}

/// A row of `stock_levels` or, with no location and no reorder point, of `stock_totals`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FigureRow {
    pub sku: String,
    pub location: Option<String>,
    pub figures: Figures,
    pub reorder_point: Option<i64>,
    pub version: Version,
    pub position: Position,
    pub updated_at: Timestamp,
}

/// A row of `items`, `locations` or `reservations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedRow {
    /// The name of the stream it is made from.
    pub stream: String,
    /// The column with the same name.
    pub version: Version,
    /// The column with the same name.
    pub position: Position,
    /// The column with the same name.
    pub updated_at: Timestamp,
    /// The column with the same name, of a reservation.
    pub made_at: Option<Timestamp>,
    /// The column with the same name, of an item.
    pub retired: bool,
    /// All other columns.
    pub members: Members,
}

impl MovementRow {
    /// The row that an event has to leave; none for an event that is not about stock.
    pub fn of(recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        let change = event.stock_change()?;
        let reference = change.cause.reference.as_ref();
        Some(Self {
            position: recorded.position,
            sku: change.sku.to_string(),
            location: change.location.to_string(),
            event_type: recorded.event_type.clone(),
            reason: change.cause.reason.as_ref().map(ToString::to_string),
            reference_type: reference.map(|one| one.kind.to_string()),
            reference_id: reference.map(|one| one.id.to_string()),
            reference_line: reference.and_then(|one| Some(one.line.as_ref()?.to_string())),
            actor: recorded.actor.as_ref().map(ToString::to_string),
            correlation_id: recorded.correlation_id.to_string(),
            occurred_at: recorded.occurred_at,
            recorded_at: recorded.recorded_at,
            after: change.after,
            delta: change.delta,
            version: recorded.version,
            reservation: change.reservation.map(|one| one.id.to_string()),
            reservation_line: change.reservation.map(|one| i64::from(one.line)),
            expires_at: change.reservation.and_then(|one| one.expires_at),
        })
    }

    /// The same row as it was written before there were columns for promises.
    pub(super) fn without_promise(self) -> Self {
        Self { reservation: None, reservation_line: None, expires_at: None, ..self }
    }

    /// The columns.
    pub fn members(&self) -> Members {
        let mut members = vec![
            ("sku", self.sku.clone()),
            ("location", self.location.clone()),
            ("type", self.event_type.clone()),
            ("reason", told(self.reason.as_ref())),
            ("reference_type", told(self.reference_type.as_ref())),
            ("reference_id", told(self.reference_id.as_ref())),
            ("reference_line", told(self.reference_line.as_ref())),
            ("actor", told(self.actor.as_ref())),
            ("correlation_id", self.correlation_id.clone()),
            ("occurred_at", self.occurred_at.to_string()),
            ("recorded_at", self.recorded_at.to_string()),
        ];
        members.extend(figures(self.after));
        members.extend([
            ("on_hand_delta", self.delta.on_hand.to_string()),
            ("reserved_delta", self.delta.reserved.to_string()),
            ("allocated_delta", self.delta.allocated.to_string()),
            ("version", self.version.to_string()),
            ("reservation", told(self.reservation.as_ref())),
            ("reservation_line", told(self.reservation_line.as_ref())),
            ("expires_at", told(self.expires_at.as_ref())),
        ]);
        members
    }
}

impl FigureRow {
    /// The columns beside the key.
    pub fn members(&self) -> Members {
        let mut members = figures(self.figures).to_vec();
        members.extend([
            ("reorder_point", told(self.reorder_point.as_ref())),
            ("version", self.version.to_string()),
            ("position", self.position.to_string()),
            ("updated_at", self.updated_at.to_string()),
        ]);
        members
    }
}

/// Figures as columns.
pub fn figures(figures: Figures) -> [(&'static str, String); 3] {
    let Figures { on_hand, reserved, allocated } = figures;
    [
        ("on_hand", on_hand.to_string()),
        ("reserved", reserved.to_string()),
        ("allocated", allocated.to_string()),
    ]
}

/// The columns that describe an item.
pub fn item_members(item: &ItemDetails) -> Members {
    vec![
        ("name", item.name.clone()),
        ("scale", item.scale.to_string()),
        ("unit", item.unit.to_string()),
        ("reorder_point", item.reorder_point.to_string()),
        ("metadata", metadata(item.context.as_ref())),
    ]
}

/// The columns that describe a location.
pub fn location_members(location: &LocationDetails) -> Members {
    vec![
        ("name", location.name.clone()),
        ("kind", told(location.kind.as_ref())),
        ("metadata", metadata(location.context.as_ref())),
    ]
}

/// The columns that describe a reservation.
pub fn reservation_members(reservation: &Reservation) -> Members {
    let reference = reservation.reference.as_ref();
    vec![
        ("owner", reservation.owner.to_string()),
        ("status", reservation.status.as_str().to_owned()),
        ("expires_at", reservation.expires_at.to_string()),
        ("reference_type", told(reference.map(|one| &one.kind))),
        ("reference_id", told(reference.map(|one| &one.id))),
        ("reference_line", told(reference.and_then(|one| one.line.as_ref()))),
        ("lines", lines(&reservation.lines)),
    ]
}

/// A value that may be missing, as text. A stored value is never empty, so the two differ.
pub fn told(value: Option<&impl Display>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// What tells two lists of members apart.
pub(super) fn digest(members: &Members) -> [u8; 32] {
    data_hash(&serde_json::to_string(members).expect("a list of text is always JSON"))
}

fn metadata(context: Option<&Context>) -> String {
    match context {
        None => "{}".to_owned(),
        Some(context) => {
            serde_json::to_string(&context.metadata).expect("a map of text to text is always JSON")
        }
    }
}

fn lines(lines: &[ReservationLine]) -> String {
    serde_json::to_string(lines).expect("a list of text and integers is always JSON")
}
