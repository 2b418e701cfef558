//! Rows of the log as values, and values as columns.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use shared_events::chain::{Chain, Hash};
use shared_events::lane::{EventId, Lane, Position, Version};
use shared_events::personal::Personal;
use shared_events::recorded::RecordedEvent;
use shared_events::redaction::Redacted;
use shared_events::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, PgExecutor, Row};
use utoipa::ToSchema;

/// A row that selects `lane, position, stream, version, type, schema_version, occurred_at,
/// recorded_at, actor, correlation_id, causation_id, data::text, chain, traceparent, credential, subject, sealed,
/// redacted, data_hash, personal_hash`.
#[derive(Debug)]
pub struct EventRow(pub RecordedEvent);

impl<'r> FromRow<'r, PgRow> for EventRow {
    fn from_row(row: &'r PgRow) -> sqlx::Result<Self> {
        Ok(Self(RecordedEvent {
            lane: lane(row, "lane")?,
            position: Position(row.try_get("position")?),
            stream: parsed("stream", row.try_get::<&str, _>("stream")?.parse())?,
            version: Version(row.try_get("version")?),
            event_type: row.try_get("type")?,
            schema_version: row.try_get("schema_version")?,
            occurred_at: Timestamp::new(row.try_get::<DateTime<Utc>, _>("occurred_at")?),
            recorded_at: Timestamp::new(row.try_get::<DateTime<Utc>, _>("recorded_at")?),
            actor: label(row, "actor")?,
            caller: label(row, "credential")?,
            correlation_id: parsed(
                "correlation_id",
                row.try_get::<&str, _>("correlation_id")?.parse(),
            )?,
            causation_id: label(row, "causation_id")?,
            data: parsed("data", RawValue::from_string(row.try_get("data")?))?,
            personal: personal(row)?,
            redacted: redacted(row)?,
            chain: chain(row, "chain")?,
            traceparent: label(row, "traceparent")?,
        }))
    }
}

/// The last event of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct LaneHead {
    /// The lane.
    #[schema(value_type = u16)]
    pub lane: Lane,
    /// Its last position; 0 while the lane is empty.
    #[schema(value_type = i64)]
    pub position: Position,
    /// The chain after it; zeros while the lane is empty.
    #[schema(value_type = String)]
    pub chain: Chain,
    /// When it was recorded; null while the lane is empty.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recorded_at: Option<Timestamp>,
}

impl LaneHead {
    pub fn empty(lane: Lane) -> Self {
        Self { lane, position: Position::default(), chain: Chain::default(), recorded_at: None }
    }

    pub fn of(event: &RecordedEvent) -> Self {
        let RecordedEvent { lane, position, chain, recorded_at, .. } = *event;
        Self { lane, position, chain, recorded_at: Some(recorded_at) }
    }

    /// The head in a row of `read_heads`, whose lane is null if none was found.
    pub(crate) fn found(row: &PgRow) -> Option<sqlx::Result<Self>> {
        match row.try_get::<Option<i16>, _>("lane") {
            Ok(None) => None,
            _ => Some(Self::from_row(row)),
        }
    }
}

impl FromRow<'_, PgRow> for LaneHead {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let lane = lane(row, "lane")?;
        let Some(position) = row.try_get::<Option<i64>, _>("position")? else {
            return Ok(Self::empty(lane));
        };
        let recorded_at = Timestamp::new(row.try_get::<DateTime<Utc>, _>("recorded_at")?);
        Ok(Self {
            lane,
            position: Position(position),
            chain: chain(row, "chain")?,
            recorded_at: Some(recorded_at),
        })
    }
}

/// The events with these ids, in this order; unknown ids are left out.
pub(super) async fn events_at(
    executor: impl PgExecutor<'_>,
    ids: &[EventId],
) -> sqlx::Result<Vec<EventRow>> {
    let (lanes, positions) = lanes_and_positions(ids.iter().copied());
    sqlx::query_as(include_str!("../../queries/read_events_at.sql"))
        .bind(lanes)
        .bind(positions)
        .fetch_all(executor)
        .await
}

pub fn lane_number(lane: Lane) -> i16 {
    lane.into()
}

pub fn lane(row: &PgRow, column: &'static str) -> sqlx::Result<Lane> {
    parsed(column, u16::try_from(row.try_get::<i16, _>(column)?)).map(Lane)
}

pub fn event_id(row: &PgRow, lane: &'static str, position: &'static str) -> sqlx::Result<EventId> {
    Ok(EventId(self::lane(row, lane)?, Position(row.try_get(position)?)))
}

/// The lanes and positions of events, as two columns.
pub(crate) fn lanes_and_positions(ids: impl Iterator<Item = EventId>) -> (Vec<i16>, Vec<i64>) {
    ids.map(|EventId(lane, position)| (lane_number(lane), position.0)).unzip()
}

/// An array as Postgres writes it. Arrays of arrays are bound as text, because `unnest` would flatten
/// them.
pub(crate) fn array(numbers: impl IntoIterator<Item: ToString>) -> String {
    let numbers: Vec<String> = numbers.into_iter().map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

/// The ids of events from two columns, lanes and positions.
pub fn event_ids(lanes: Vec<i16>, positions: Vec<i64>) -> sqlx::Result<Vec<EventId>> {
    let id = |(lane, position): (i16, i64)| {
        Ok(EventId(parsed("lanes", u16::try_from(lane)).map(Lane)?, Position(position)))
    };
    lanes.into_iter().zip(positions).map(id).collect()
}

pub fn chain(row: &PgRow, column: &'static str) -> sqlx::Result<Chain> {
    row.try_get(column).map(Chain)
}

fn personal(row: &PgRow) -> sqlx::Result<Option<Arc<Personal>>> {
    let Some(sealed) = row.try_get::<Option<&str>, _>("sealed")? else {
        return Ok(None);
    };
    let subject = parsed("subject", row.try_get::<&str, _>("subject")?.parse())?;
    Ok(Some(Arc::new(Personal { subject, sealed: sealed.into() })))
}

fn redacted(row: &PgRow) -> sqlx::Result<Option<Box<Redacted>>> {
    let Some(names) = row.try_get::<Option<Vec<String>>, _>("redacted")? else {
        return Ok(None);
    };
    let members = names.into_iter().map(|name| parsed("redacted", name.parse()));
    Ok(Some(Box::new(Redacted {
        members: members.collect::<sqlx::Result<_>>()?,
        data_hash: row.try_get("data_hash").map(Hash)?,
        personal_hash: row.try_get::<Option<[u8; 32]>, _>("personal_hash")?.map(Hash),
    })))
}

fn label<T>(row: &PgRow, column: &'static str) -> sqlx::Result<Option<T>>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.try_get::<Option<&str>, _>(column)?.map(|text| parsed(column, text.parse())).transpose()
}

fn parsed<T, E>(column: &'static str, value: Result<T, E>) -> sqlx::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    value.map_err(|source| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: Box::new(source),
    })
}
