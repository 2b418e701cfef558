//! The view `low_stock`: which item is short at which location, and the alerts about it.

pub mod fold;
pub mod routes;
#[cfg(test)]
mod spec;
mod write;

use std::collections::BTreeMap;
use std::time::Duration;

use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use shared_events::lane::{Lane, Position};
use sqlx::PgConnection;
use utoipa_axum::routes;

use self::fold::Changes;
pub use self::fold::{AlertId, AlertState};
use crate::projection_set::ProjectionSet;
use crate::projections::view::View;

/// Which item is short at which location, and the alerts about it.
#[derive(Debug)]
pub struct LowStock;

impl View for LowStock {
    const NAME: &'static str = "low_stock";
    const SUMMARY: &'static str = "Which item is short at which location, and the alerts about it";
    const LINGER: Duration = Duration::from_millis(50);

    type Changes = Changes;

    async fn write(
        changes: &Changes,
        ends: &BTreeMap<Lane, Position>,
        connection: &mut PgConnection,
    ) -> sqlx::Result<()> {
        write::write(changes, ends, connection).await
    }

    fn routes() -> Routes<ProjectionSet> {
        Routes::default()
            .routes(Access::by_location(Scope::StockRead), routes!(routes::list_alerts))
    }
}
