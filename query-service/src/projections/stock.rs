//! The view `stock`: levels, totals, movements, reservations, transfers, items and locations.

pub mod fold;
pub mod routes;
#[cfg(test)]
mod spec;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use service_edge::sign_in::routes::Routes;
use shared_events::lane::{Lane, Position};
use sqlx::PgConnection;

pub use self::fold::{
    Changes, Movement, Name, NewWaiter, ReorderPoint, ReservationRow, Totals, TransferRow, Waiter,
    WaiterChange, places,
};
use self::routes::levels::kept::slot;
pub use self::write::turn;
use crate::projection::Slot;
use crate::projection_set::ProjectionSet;
use crate::projections::view::View;
use crate::read_model::ReadModel;

/// Levels, totals, movements, reservations, transfers, items and locations.
#[derive(Debug)]
pub struct Stock;

impl View for Stock {
    const NAME: &'static str = "stock";
    const SUMMARY: &'static str =
        "Levels, totals, movements, reservations, transfers, items and locations";
    const LINGER: Duration = Duration::from_millis(4);

    type Changes = Changes;

    fn slots(changes: &Changes) -> Vec<Slot> {
        changes.levels.keys().map(|(sku, location)| slot(sku, location)).collect()
    }

    async fn write(
        changes: &Changes,
        _ends: &BTreeMap<Lane, Position>,
        connection: &mut PgConnection,
    ) -> sqlx::Result<()> {
        write::write(changes, connection).await
    }

    fn routes() -> Routes<ProjectionSet> {
        routes::routes()
    }
}

/// Handlers that do not name a projection read stock.
impl FromRef<ProjectionSet> for Arc<ReadModel> {
    fn from_ref(set: &ProjectionSet) -> Self {
        set.active(Stock::PROJECTION)
    }
}
