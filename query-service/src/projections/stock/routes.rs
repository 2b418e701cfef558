//! The routes of `stock`, by subject.

pub mod availability;
pub mod diff;
pub mod explain;
pub mod items;
pub mod levels;
pub mod movements;
pub mod reservations;
pub mod transfers;
pub mod waitlist;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::projection_set::ProjectionSet;

pub fn routes() -> OpenApiRouter<ProjectionSet> {
    OpenApiRouter::new()
        .routes(routes!(levels::level::get_stock_level))
        .routes(routes!(levels::item::get_item_stock))
        .routes(routes!(levels::list::list_stock_levels))
        .routes(routes!(availability::ask_availability))
        .routes(routes!(movements::list_movements))
        .routes(routes!(explain::explain))
        .routes(routes!(diff::diff))
        .routes(routes!(reservations::get_reservation))
        .routes(routes!(reservations::list_reservations))
        .routes(routes!(transfers::get_transfer))
        .routes(routes!(transfers::list_transfers))
        .routes(routes!(waitlist::list_waiters))
        .routes(routes!(items::get_item))
        .routes(routes!(items::list_items))
        .routes(routes!(items::list_locations))
}
