//! Alerts as Kafka records: CloudEvents 1.0 in binary mode, as for the events.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use serde::Serialize;
use shared_events::event::Reference;
use shared_events::lane::{EventId, Position, PositionToken};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, OrderId, Sku, TransferId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};

use super::Failure;
use crate::database;
use crate::http::rows::ReferenceColumns;
use crate::projections::low_stock::{AlertId, AlertState};

/// The table that an alert waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outbox {
    LowStock,
    Overdue,
    Orders,
}

impl Outbox {
    /// `ce_source` of its alerts.
    fn source(self) -> &'static str {
        match self {
            Self::LowStock => "/stockbook/low_stock",
            Self::Overdue => "/stockbook/transfers",
            Self::Orders => "/stockbook/orders",
        }
    }
}

/// An alert in an outbox, as a Kafka record.
#[derive(Debug)]
pub(super) struct Alert {
    pub(super) outbox: Outbox,
    event: EventId,
    /// The location, which names the alert together with the event; empty for a transfer or an order.
    pub(super) place: String,
    /// The item, the transfer or the order, whose alerts keep their order.
    key: String,
    payload: String,
    headers: Vec<(&'static str, String)>,
}

/// The value of the record about an item that is short, or is no longer.
#[derive(Serialize)]
struct LowStock<'a> {
    id: &'a str,
    sku: &'a Sku,
    location: &'a LocationCode,
    state: AlertState,
    available: i64,
    reorder_point: i64,
    position: PositionToken,
}

/// The value of the record about a transfer that was not done when it was expected.
#[derive(Serialize)]
struct Overdue<'a> {
    id: &'a str,
    transfer: &'a TransferId,
    expected_at: Timestamp,
    reference: Option<Reference>,
    position: PositionToken,
}

/// The value of the record about an order that waits for an operator.
#[derive(Serialize)]
struct NeedsOperator<'a> {
    id: &'a str,
    order: &'a OrderId,
    step: &'a str,
    position: PositionToken,
}

impl Alert {
    pub(super) fn of(outbox: Outbox, row: &PgRow) -> Result<Self, Failure> {
        let position = Position(row.try_get("position")?);
        let event = EventId(database::lane(row.try_get("lane")?), position);
        match outbox {
            Outbox::LowStock => Self::of_low_stock(event, row),
            Outbox::Overdue => Self::of_overdue(event, row),
            Outbox::Orders => Self::of_order(event, row),
        }
    }

    fn of_low_stock(event: EventId, row: &PgRow) -> Result<Self, Failure> {
        let sku: Sku = row.try_get::<String, _>("sku")?.parse()?;
        let location: LocationCode = row.try_get::<String, _>("location")?.parse()?;
        let state = AlertState::of(row.try_get("raised")?);
        let kind = match state {
            AlertState::Raised => "LowStockRaised",
            AlertState::Cleared => "LowStockCleared",
        };
        let id = AlertId(event, location.clone()).to_string();
        let payload = LowStock {
            id: &id,
            sku: &sku,
            location: &location,
            state,
            available: row.try_get("available")?,
            reorder_point: row.try_get("reorder_point")?,
            position: token(event),
        };
        let (key, place) = (sku.to_string(), location.to_string());
        let payload = json(&payload);
        let subject = Stream::Stock(sku, location);
        Self::new(Outbox::LowStock, (event, place), key, payload, (id, kind, subject), row)
    }

    fn of_overdue(event: EventId, row: &PgRow) -> Result<Self, Failure> {
        let transfer: TransferId = row.try_get::<String, _>("transfer")?.parse()?;
        let id = event.to_string();
        let payload = Overdue {
            id: &id,
            transfer: &transfer,
            expected_at: row.try_get("expected_at").map(Timestamp::new)?,
            reference: ReferenceColumns::from_row(row)?.try_into()?,
            position: token(event),
        };
        let (key, payload) = (transfer.to_string(), json(&payload));
        let named = (id, "TransferOverdue", Stream::Transfer(transfer));
        Self::new(Outbox::Overdue, (event, String::new()), key, payload, named, row)
    }

    fn of_order(event: EventId, row: &PgRow) -> Result<Self, Failure> {
        let order: OrderId = row.try_get::<String, _>("order_id")?.parse()?;
        let id = event.to_string();
        let step = row.try_get("step")?;
        let payload = NeedsOperator { id: &id, order: &order, step, position: token(event) };
        let (key, payload) = (order.to_string(), json(&payload));
        let named = (id, "OrderNeedsOperator", Stream::Order(order));
        Self::new(Outbox::Orders, (event, String::new()), key, payload, named, row)
    }

    fn new(
        outbox: Outbox,
        (event, place): (EventId, String),
        key: String,
        payload: String,
        (id, kind, subject): (String, &'static str, Stream),
        row: &PgRow,
    ) -> Result<Self, Failure> {
        let recorded_at = row.try_get("recorded_at").map(Timestamp::new)?;
        let headers = vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", id),
            ("ce_source", outbox.source().to_owned()),
            ("ce_type", kind.to_owned()),
            ("ce_time", recorded_at.to_string()),
            ("ce_subject", subject.to_string()),
            ("content-type", "application/json".to_owned()),
        ];
        Ok(Self { outbox, event, place, key, payload, headers })
    }

    pub(super) fn lane(&self) -> i16 {
        i16::from(self.event.0)
    }

    pub(super) fn position(&self) -> i64 {
        self.event.1.0
    }

    pub(super) fn record<'a>(&'a self, topic: &'a str) -> BaseRecord<'a, String, String> {
        let headers =
            self.headers.iter().fold(
                OwnedHeaders::new_with_capacity(self.headers.len()),
                |headers, (key, value)| headers.insert(Header { key, value: Some(value) }),
            );
        BaseRecord::to(topic).key(&self.key).payload(&self.payload).headers(headers)
    }
}

fn token(event: EventId) -> PositionToken {
    [(event.0, event.1)].into_iter().collect()
}

fn json(payload: &impl Serialize) -> String {
    serde_json::to_string(payload).expect("an alert is text and integers")
}
