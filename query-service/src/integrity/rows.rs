//! Rows of the views: as they are stored, and as an event has to leave them.

use std::fmt::Display;

use chrono::{DateTime, Utc};
use shared_events::chain::data_hash;
use shared_events::event::{Context, Event, ItemDetails, LocationDetails, WaitlistedStock};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::Reservation;
use shared_events::time::Timestamp;
use shared_events::transfer::Transfer;
use sqlx::FromRow;

use crate::projections::stock::{Totals, places, turn};

/// Columns with their values as text, in a fixed order. A missing value is empty; no stored one is.
pub type Columns = Vec<(&'static str, String)>;

/// A row of `movements`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct MovementRow {
    pub position: i64,
    pub sku: String,
    pub location: String,
    #[sqlx(rename = "type")]
    pub event_type: String,
    pub reason: Option<String>,
    pub reference_type: Option<String>,
    pub reference_id: Option<String>,
    pub reference_line: Option<String>,
    pub actor: Option<String>,
    pub correlation_id: String,
    pub occurred_at: DateTime<Utc>,
    pub recorded_at: DateTime<Utc>,
    pub on_hand: i64,
    pub reserved: i64,
    pub allocated: i64,
    pub on_hand_delta: i64,
    pub reserved_delta: i64,
    pub allocated_delta: i64,
    pub version: i64,
    pub reservation: Option<String>,
    pub reservation_line: Option<i64>,
    pub expires_at: Option<DateTime<Utc>>,
    pub incoming: i64,
    pub incoming_delta: i64,
    pub transfer: Option<String>,
    pub transfer_line: Option<i64>,
    pub waiting: i64,
    pub waiting_delta: i64,
}

/// A row of `waitlist`.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct WaiterRow {
    pub reservation: String,
    pub line: i64,
    pub sku: String,
    pub location: String,
    pub owner: String,
    pub turn: i16,
    pub waiting: i64,
    pub since: i64,
    pub since_at: DateTime<Utc>,
    pub wait_until: DateTime<Utc>,
    pub version: i64,
    pub position: i64,
    pub updated_at: DateTime<Utc>,
}

/// A row of any other table of the view.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TableRow {
    /// The name of the stream that the row follows from or, of a total, the sku.
    pub key: String,
    pub version: i64,
    pub position: i64,
    pub updated_at: DateTime<Utc>,
    /// Only reservations and transfers have it.
    pub made_at: Option<DateTime<Utc>>,
    /// False for all but items.
    pub retired: bool,
    /// The values of all other columns, as text.
    pub contents: Vec<String>,
}

impl MovementRow {
    /// The row that an event has to leave; none if the event is not about stock.
    pub fn of(recorded: &RecordedEvent, event: &Event) -> Option<Self> {
        let change = event.stock_change()?;
        let reference = change.cause.reference.as_ref();
        Some(Self {
            position: recorded.position.0,
            sku: change.sku.to_string(),
            location: change.location.to_string(),
            event_type: recorded.event_type.clone(),
            reason: change.cause.reason.as_ref().map(ToString::to_string),
            reference_type: reference.map(|one| one.kind.to_string()),
            reference_id: reference.map(|one| one.id.to_string()),
            reference_line: reference.and_then(|one| Some(one.line.as_ref()?.to_string())),
            actor: recorded.actor.as_ref().map(ToString::to_string),
            correlation_id: recorded.correlation_id.to_string(),
            occurred_at: recorded.occurred_at.to_utc(),
            recorded_at: recorded.recorded_at.to_utc(),
            on_hand: change.after.on_hand,
            reserved: change.after.reserved,
            allocated: change.after.allocated,
            on_hand_delta: change.delta.on_hand,
            reserved_delta: change.delta.reserved,
            allocated_delta: change.delta.allocated,
            version: recorded.version.0,
            reservation: change.reservation.map(|one| one.id.to_string()),
            reservation_line: change.reservation.map(|one| i64::from(one.line)),
            expires_at: change.reservation.and_then(|one| one.expires_at).map(Timestamp::to_utc),
            incoming: change.after.incoming,
            incoming_delta: change.delta.incoming,
            transfer: change.transfer.map(|one| one.id.to_string()),
            transfer_line: change.transfer.map(|one| i64::from(one.line)),
            waiting: change.after.waiting,
            waiting_delta: change.delta.waiting,
        })
    }

    /// Takes the reference of another row.
    pub fn take_reference(&mut self, from: &Self) {
        self.reference_type.clone_from(&from.reference_type);
        self.reference_id.clone_from(&from.reference_id);
        self.reference_line.clone_from(&from.reference_line);
    }

    /// The same row as versions wrote it that had no columns for reservations.
    pub fn without_reservation(self) -> Self {
        Self { reservation: None, reservation_line: None, expires_at: None, ..self }
    }

    pub fn columns(&self) -> Columns {
        vec![
            ("sku", self.sku.clone()),
            ("location", self.location.clone()),
            ("type", self.event_type.clone()),
            ("reason", text(self.reason.as_ref())),
            ("reference_type", text(self.reference_type.as_ref())),
            ("reference_id", text(self.reference_id.as_ref())),
            ("reference_line", text(self.reference_line.as_ref())),
            ("actor", text(self.actor.as_ref())),
            ("correlation_id", self.correlation_id.clone()),
            ("occurred_at", time(self.occurred_at)),
            ("recorded_at", time(self.recorded_at)),
            ("on_hand", self.on_hand.to_string()),
            ("reserved", self.reserved.to_string()),
            ("allocated", self.allocated.to_string()),
            ("on_hand_delta", self.on_hand_delta.to_string()),
            ("reserved_delta", self.reserved_delta.to_string()),
            ("allocated_delta", self.allocated_delta.to_string()),
            ("version", self.version.to_string()),
            ("reservation", text(self.reservation.as_ref())),
            ("reservation_line", text(self.reservation_line.as_ref())),
            ("expires_at", self.expires_at.map(time).unwrap_or_default()),
            ("incoming", self.incoming.to_string()),
            ("incoming_delta", self.incoming_delta.to_string()),
            ("transfer", text(self.transfer.as_ref())),
            ("transfer_line", text(self.transfer_line.as_ref())),
            ("waiting", self.waiting.to_string()),
            ("waiting_delta", self.waiting_delta.to_string()),
        ]
    }
}

impl WaiterRow {
    /// The row that a line has to have when it begins to wait.
    pub fn of(recorded: &RecordedEvent, event: &WaitlistedStock) -> Self {
        let position = recorded.position.0;
        Self {
            reservation: event.reservation.to_string(),
            line: i64::from(event.line),
            sku: event.sku.to_string(),
            location: event.location.to_string(),
            owner: event.owner.to_string(),
            turn: turn(event.priority),
            waiting: event.quantity,
            since: position,
            since_at: recorded.recorded_at.to_utc(),
            wait_until: event.wait_until.to_utc(),
            version: recorded.version.0,
            position,
            updated_at: recorded.recorded_at.to_utc(),
        }
    }

    pub fn columns(&self) -> Columns {
        vec![
            ("sku", self.sku.clone()),
            ("location", self.location.clone()),
            ("owner", self.owner.clone()),
            ("turn", self.turn.to_string()),
            ("waiting", self.waiting.to_string()),
            ("since", self.since.to_string()),
            ("since_at", time(self.since_at)),
            ("wait_until", time(self.wait_until)),
            ("version", self.version.to_string()),
            ("position", self.position.to_string()),
            ("updated_at", time(self.updated_at)),
        ]
    }

    /// The stream of the stock that it waits for, as it is written.
    pub fn stream(&self) -> String {
        format!("stock/{}/{}", self.sku, self.location)
    }
}

impl TableRow {
    /// The columns other than the key and the contents.
    pub fn columns(&self) -> Columns {
        vec![
            ("version", self.version.to_string()),
            ("position", self.position.to_string()),
            ("updated_at", time(self.updated_at)),
            ("made_at", self.made_at.map(time).unwrap_or_default()),
            ("retired", self.retired.to_string()),
        ]
    }
}

/// The contents of a level or, without a reorder point, of a total.
pub fn figure_contents(figures: Totals, reorder_point: Option<i64>) -> Columns {
    let mut columns = vec![
        ("on_hand", figures.on_hand.to_string()),
        ("reserved", figures.reserved.to_string()),
        ("allocated", figures.allocated.to_string()),
        ("incoming", figures.incoming.to_string()),
        ("waiting", figures.waiting.to_string()),
    ];
    columns.extend(reorder_point.map(|point| ("reorder_point", point.to_string())));
    columns
}

/// The contents of an item.
pub fn item_contents(item: &ItemDetails) -> Columns {
    vec![
        ("name", item.name.clone()),
        ("scale", item.scale.to_string()),
        ("unit", item.unit.to_string()),
        ("reorder_point", item.reorder_point.to_string()),
        ("metadata", metadata(item.context.as_ref())),
    ]
}

/// The contents of a location.
pub fn location_contents(location: &LocationDetails) -> Columns {
    vec![
        ("name", location.name.clone()),
        ("kind", text(location.kind.as_ref())),
        ("metadata", metadata(location.context.as_ref())),
    ]
}

/// The contents of a reservation.
pub fn reservation_contents(reservation: &Reservation) -> Columns {
    let reference = reservation.reference.as_ref();
    let lines = serde_json::to_string(&reservation.lines);
    vec![
        ("owner", reservation.owner.to_string()),
        ("status", reservation.status.as_str().to_owned()),
        ("expires_at", reservation.expires_at.to_string()),
        ("reference_type", text(reference.map(|one| &one.kind))),
        ("reference_id", text(reference.map(|one| &one.id))),
        ("reference_line", text(reference.and_then(|one| one.line.as_ref()))),
        ("lines", lines.expect("a list of text and integers is always JSON")),
        ("wait_until", text(reservation.wait_until.as_ref())),
        ("priority", text(reservation.priority.as_ref())),
    ]
}

/// The contents of a transfer, and the places it is found by.
pub fn transfer_contents(transfer: &Transfer) -> Columns {
    let reference = transfer.reference.as_ref();
    let lines = serde_json::to_string(&transfer.lines);
    let places: Vec<String> = places(transfer)
        .into_iter()
        .map(|(leaves, location)| format!("{} {location}", if leaves { "from" } else { "to" }))
        .collect();
    vec![
        ("status", transfer.status.as_str().to_owned()),
        ("expected_at", text(transfer.expected_at.as_ref())),
        ("overdue", transfer.overdue.to_string()),
        ("reference_type", text(reference.map(|one| &one.kind))),
        ("reference_id", text(reference.map(|one| &one.id))),
        ("reference_line", text(reference.and_then(|one| one.line.as_ref()))),
        ("lines", lines.expect("a list of text and integers is always JSON")),
        ("places", places.join(" ")),
    ]
}

/// The values of columns.
pub fn values(columns: Columns) -> Vec<String> {
    columns.into_iter().map(|(_, value)| value).collect()
}

/// A hash that differs where the values differ.
pub fn digest(values: &[String]) -> [u8; 32] {
    data_hash(&serde_json::to_string(values).expect("a list of text is always JSON"))
}

fn text(value: Option<&impl Display>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn time(moment: DateTime<Utc>) -> String {
    Timestamp::new(moment).to_string()
}

fn metadata(context: Option<&Context>) -> String {
    context.map_or_else(
        || "{}".to_owned(),
        |context| {
            serde_json::to_string(&context.metadata).expect("a map of text to text is always JSON")
        },
    )
}
