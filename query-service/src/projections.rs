//! The views, each in its own folder: fold, writes, statements, routes and tests.
//!
//! A new view is a module with its [`view::View`], an entry in [`VIEWS`] and a migration.

pub mod daily_flow;
pub mod low_stock;
pub mod orders;
pub mod reorder_point;
pub mod stock;
pub mod view;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use self::view::Registered;
use service_edge::sign_in::routes::Routes;

use crate::projection::Projection;
use crate::projection_set::ProjectionSet;

/// Every view that this binary knows.
const VIEWS: &[Registered] = &[
    Registered::of::<stock::Stock>(),
    Registered::of::<daily_flow::DailyFlow>(),
    Registered::of::<low_stock::LowStock>(),
    Registered::of::<orders::Orders>(),
];

pub fn all() -> Vec<Projection> {
    VIEWS.iter().map(|view| view.projection).collect()
}

/// The routes of all views.
pub fn routes() -> Routes<ProjectionSet> {
    VIEWS.iter().fold(Routes::default(), |routes, view| routes.merge((view.routes)()))
}

/// Reads the name of a projection from the command line.
pub fn value_parser() -> impl TypedValueParser<Value = Projection> {
    let value = |one: Projection| PossibleValue::new(one.name()).help(one.definition().summary);
    PossibleValuesParser::new(all().into_iter().map(value))
        .map(|name| named(&name).expect("a possible value is the name of a projection"))
}

/// The projection with this name, if this binary knows it.
pub fn named(name: &str) -> Option<Projection> {
    all().into_iter().find(|one| one.name() == name)
}
