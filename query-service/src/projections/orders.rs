//! The view `orders`: each order as it stands after its last step, with the event of each step.

pub mod fold;
pub mod routes;
#[cfg(test)]
mod spec;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use shared_events::lane::{Lane, Position};
use sqlx::PgConnection;
use utoipa_axum::routes;

use self::fold::Changes;
use crate::database::write_rows;
use crate::projection_set::ProjectionSet;
use crate::projections::view::View;

/// Each order as it stands after its last step.
#[derive(Debug)]
pub struct Orders;

impl View for Orders {
    const NAME: &'static str = "orders";
    const SUMMARY: &'static str = "Each order as it stands after its last step";
    // Callers look for their order right after they placed it.
    const LINGER: Duration = Duration::from_millis(5);

    type Changes = Changes;

    async fn write(
        changes: &Changes,
        _ends: &BTreeMap<Lane, Position>,
        connection: &mut PgConnection,
    ) -> sqlx::Result<()> {
        write_rows!(connection, "orders/upsert_orders.sql", for row in changes.orders.values() => {
            id: row.order.id.as_str(),
            lane: i16::from(row.at.lane),
            owner: row.order.owner.as_str(),
            status: row.order.status.as_str(),
            reservation: row.order.reservation.as_ref().map(|id| id.as_str()),
            deadline: row.order.deadline.to_utc(),
            reference_type: row.order.reference.as_ref().map(|document| document.kind.as_str()),
            reference_id: row.order.reference.as_ref().map(|document| document.id.as_str()),
            reference_line: row.order.reference.as_ref().and_then(|document| Some(document.line.as_ref()?.as_str())),
            lines: json(&row.order.lines),
            steps: json(&row.order.steps),
            events: json(&row.events),
            made_at: row.made_at.to_utc(),
            version: row.at.version.0,
            position: row.at.position.0,
            updated_at: row.at.recorded_at.to_utc(),
        });
        write_rows!(connection, "orders/redact_orders.sql", for id in &changes.without_reference => {
            lane: i16::from(id.0),
            position: id.1.0,
        });
        Ok(())
    }

    fn routes() -> Routes<ProjectionSet> {
        const READ: Access = Access::by_location(Scope::StockRead);
        Routes::default()
            .routes(READ, routes!(routes::get_order))
            .routes(READ, routes!(routes::list_orders))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("an order is text, integers and JSON")
}
