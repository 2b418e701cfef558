//! The view `daily_flow`: how much of each item came in and went out on each day.

pub mod fold;
pub mod routes;
#[cfg(test)]
mod spec;

use std::collections::BTreeMap;
use std::time::Duration;

use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use shared_events::lane::{Lane, Position};
use sqlx::PgConnection;
use utoipa_axum::routes;

use self::fold::Changes;
use crate::database::write_rows;
use crate::projection_set::ProjectionSet;
use crate::projections::view::View;

/// How much of each item came in and went out on each day.
#[derive(Debug)]
pub struct DailyFlow;

impl View for DailyFlow {
    const NAME: &'static str = "daily_flow";
    const SUMMARY: &'static str = "What came in and went out of each item on each day";
    const LINGER: Duration = Duration::from_millis(50);

    type Changes = Changes;

    async fn write(
        changes: &Changes,
        _ends: &BTreeMap<Lane, Position>,
        connection: &mut PgConnection,
    ) -> sqlx::Result<()> {
        write_rows!(connection, "daily_flow/add_items.sql", for (sku, counted) in &changes.items => {
            sku: sku.as_str(),
            lane: i16::from(counted.at.lane),
            version: counted.events,
            position: counted.at.position.0,
            updated_at: counted.at.recorded_at.to_utc(),
        });
        write_rows!(connection, "daily_flow/add_days.sql", for ((sku, day), (at, flow)) in &changes.days => {
            sku: sku.as_str(),
            day: *day,
            lane: i16::from(at.lane),
            incoming: flow.incoming.to_string(),
            outgoing: flow.outgoing.to_string(),
            returned: flow.returned.to_string(),
            adjusted: flow.adjusted.to_string(),
            transferred: flow.transferred.to_string(),
            position: at.position.0,
        });
        Ok(())
    }

    fn routes() -> Routes<ProjectionSet> {
        // Days are counted for all locations together.
        Routes::default().routes(Access::everywhere(Scope::StockRead), routes!(routes::get_flow))
    }
}
