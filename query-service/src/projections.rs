//! The views, each in its own folder: fold, writes, statements, routes and tests.
//!
//! A new view is a module with its [`view::View`], an entry in [`ALL`] and a migration.

pub mod daily_flow;
pub mod low_stock;
pub mod stock;
pub mod view;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use self::daily_flow::DailyFlow;
use self::low_stock::LowStock;
use self::stock::Stock;
use self::view::View;
use crate::projection::Projection;

/// Every projection that this binary knows.
pub const ALL: &[Projection] = &[Stock::PROJECTION, DailyFlow::PROJECTION, LowStock::PROJECTION];

/// The projection with this name, if this binary knows it.
pub fn named(name: &str) -> Option<Projection> {
    ALL.iter().copied().find(|one| one.name() == name)
}

/// Reads the name of a projection from the command line.
pub fn value_parser() -> impl TypedValueParser<Value = Projection> {
    let value = |one: &Projection| PossibleValue::new(one.name()).help(one.definition().summary);
    PossibleValuesParser::new(ALL.iter().map(value))
        .map(|name| named(&name).expect("a possible value is the name of a projection"))
}
