//! What the movements of a pair come to.

use serde::Serialize;
use shared_events::lane::Position;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::problem::Problem;
use crate::http::queries::movements::Amounts;

/// Promises of each kind that are told one by one.
const PROMISES_MAX: i64 = 200;

/// What all movements come to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// What each type of event did; together they are the figures.
    pub by_type: Vec<TypeSum>,
    /// What makes up reserved; those that end first come first.
    pub reserved_by: Promises,
    /// What makes up allocated.
    pub allocated_by: Promises,
}

/// What the events of one type did together.
#[derive(Debug, Serialize, ToSchema)]
pub struct TypeSum {
    /// The type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// How many.
    pub events: i64,
    /// The sum of their changes.
    pub delta: Amounts,
}

/// For whom something is held or promised.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Promises {
    /// How many lines of reservations in all.
    pub lines: i64,
    /// How much in all.
    pub quantity: i64,
    /// The first 200 of them.
    pub items: Vec<Promise>,
}

/// What one line of a reservation holds, or is promised.
#[derive(Debug, Serialize, ToSchema)]
pub struct Promise {
    /// The reservation's id.
    pub reservation: String,
    /// The line, from 1.
    pub line: i64,
    /// How much.
    pub quantity: i64,
    /// When the hold ends; null for a promise, which does not end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// What the movements of a pair up to a position come to.
pub(super) async fn read_summary(
    service: &Service,
    sku: &Sku,
    location: &LocationCode,
    upto: Position,
) -> Result<Summary, Problem> {
    let sums = sqlx::query(include_str!("../../../../queries/sum_movements_by_type.sql"))
        .bind(sku.as_str())
        .bind(location.as_str())
        .bind(upto.0)
        .fetch_all(&service.pool)
        .await?;
    let promises = sqlx::query(include_str!("../../../../queries/list_promises.sql"))
        .bind(sku.as_str())
        .bind(location.as_str())
        .bind(upto.0)
        .bind(PROMISES_MAX)
        .fetch_all(&service.pool)
        .await?;
    let mut summary = Summary {
        by_type: sums.iter().map(type_sum).collect::<sqlx::Result<_>>()?,
        reserved_by: Promises::default(),
        allocated_by: Promises::default(),
    };
    for row in &promises {
        let is_hold: bool = row.try_get("is_hold")?;
        let kind = if is_hold { &mut summary.reserved_by } else { &mut summary.allocated_by };
        kind.lines = row.try_get("lines")?;
        kind.quantity = row.try_get("total")?;
        kind.items.push(promise(row)?);
    }
    Ok(summary)
}

fn type_sum(row: &PgRow) -> sqlx::Result<TypeSum> {
    let (on_hand, reserved) = (row.try_get("on_hand")?, row.try_get("reserved")?);
    Ok(TypeSum {
        event_type: row.try_get("type")?,
        events: row.try_get("events")?,
        delta: Amounts::new(on_hand, reserved, row.try_get("allocated")?),
    })
}

fn promise(row: &PgRow) -> sqlx::Result<Promise> {
    Ok(Promise {
        reservation: row.try_get("reservation")?,
        line: row.try_get("reservation_line")?,
        quantity: row.try_get("quantity")?,
        expires_at: row.try_get::<Option<_>, _>("expires_at")?.map(Timestamp::new),
    })
}
