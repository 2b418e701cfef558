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

use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use utoipa_axum::routes;

use crate::projection_set::ProjectionSet;

pub fn routes() -> Routes<ProjectionSet> {
    const READ: Access = Access::by_location(Scope::StockRead);
    Routes::default()
        .routes(READ, routes!(levels::level::get_stock_level))
        .routes(READ, routes!(levels::item::get_item_stock))
        .routes(READ, routes!(levels::list::list_stock_levels))
        .routes(READ, routes!(availability::ask_availability))
        .routes(READ, routes!(movements::list_movements))
        .routes(READ, routes!(explain::explain))
        .routes(READ, routes!(diff::diff))
        .routes(READ, routes!(reservations::get_reservation))
        .routes(READ, routes!(reservations::list_reservations))
        .routes(READ, routes!(transfers::get_transfer))
        .routes(READ, routes!(transfers::list_transfers))
        .routes(READ, routes!(waitlist::list_waiters))
        .routes(READ, routes!(items::get_item))
        .routes(READ, routes!(items::list_items))
        .routes(READ, routes!(items::list_locations))
}
