//! An alert as a Kafka record: key = sku, value = JSON, headers in CloudEvents 1.0 binary mode, as the
//! events have them.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::FutureRecord;
use serde::Serialize;
use shared_events::lane::{EventId, Lane, Position, PositionToken};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::alerts::Failure;
use crate::database;
use crate::projections::low_stock::{AlertId, AlertState};

/// `ce_source` of every alert.
const SOURCE: &str = "/stockbook/low_stock";

/// An alert that is in the outbox.
#[derive(Debug)]
pub(super) struct Outgoing {
    event: EventId,
    pub(super) location: LocationCode,
    sku: String,
    payload: String,
    headers: Vec<(&'static str, String)>,
}

/// What readers of the topic get.
#[derive(Serialize)]
struct Payload<'a> {
    id: String,
    sku: &'a Sku,
    location: &'a LocationCode,
    state: AlertState,
    available: i64,
    reorder_point: i64,
    position: PositionToken,
}

impl Outgoing {
    pub(super) fn of(row: &PgRow) -> Result<Self, Failure> {
        let lane = database::lane(row.try_get("lane")?);
        let position = Position(row.try_get("position")?);
        let sku: Sku = row.try_get::<String, _>("sku")?.parse()?;
        let location: LocationCode = row.try_get::<String, _>("location")?.parse()?;
        let recorded_at = row.try_get("recorded_at").map(Timestamp::new)?;
        let state = AlertState::of(row.try_get("raised")?);
        let event = EventId(lane, position);
        let payload = Payload {
            id: AlertId(event, location.clone()).to_string(),
            sku: &sku,
            location: &location,
            state,
            available: row.try_get("available")?,
            reorder_point: row.try_get("reorder_point")?,
            position: [(lane, position)].into_iter().collect(),
        };
        let kind = match state {
            AlertState::Raised => "LowStockRaised",
            AlertState::Cleared => "LowStockCleared",
        };
        let headers = vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", payload.id.clone()),
            ("ce_source", SOURCE.to_owned()),
            ("ce_type", kind.to_owned()),
            ("ce_time", recorded_at.to_string()),
            ("ce_subject", Stream::Stock(sku.clone(), location.clone()).to_string()),
            ("content-type", "application/json".to_owned()),
        ];
        let payload = serde_json::to_string(&payload).expect("an alert is text and integers");
        Ok(Self { event, location, sku: sku.to_string(), payload, headers })
    }

    pub(super) fn lane(&self) -> i16 {
        let Self { event: EventId(lane, _), .. } = self;
        database::lane_column(Lane(lane.0))
    }

    pub(super) fn position(&self) -> i64 {
        let Self { event: EventId(_, position), .. } = self;
        position.0
    }

    pub(super) fn record<'a>(&'a self, topic: &'a str) -> FutureRecord<'a, String, String> {
        let headers =
            self.headers.iter().fold(
                OwnedHeaders::new_with_capacity(self.headers.len()),
                |headers, (key, value)| headers.insert(Header { key, value: Some(value) }),
            );
        FutureRecord::to(topic).key(&self.sku).payload(&self.payload).headers(headers)
    }
}
