//! The questions, by what they are about.

pub mod stock;
pub mod movements;
pub mod items;
pub mod projections;

use std::str::FromStr;

use shared_events::lane::Lane;
use shared_events::values::{LocationCode, Sku, ValueError};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::database;
use crate::http::Service;
use crate::http::problem::Problem;

/// A sku in a path; text that can be none is one that nobody registered.
fn sku(text: &str) -> Result<Sku, Problem> {
    text.parse().map_err(|_| Problem::UnknownSku(text.to_owned()))
}

/// A location in a path; text that can be none is one that nobody registered.
fn location(text: &str) -> Result<LocationCode, Problem> {
    text.parse().map_err(|_| Problem::UnknownLocation(text.to_owned()))
}

/// The lane that decides all answers about a sku.
fn lane_of(service: &Service, sku: &Sku) -> Result<i16, Problem> {
    let lane_map = service.lane_map.get().ok_or_else(Problem::opening)?;
    Ok(database::lane_column(lane_map.lane_of(sku.as_str())))
}

/// The lane that a row was written from.
fn lane(row: &PgRow) -> sqlx::Result<Lane> {
    row.try_get("lane").map(database::lane)
}

/// A value as it was stored, which has passed its rules before.
fn stored<T: FromStr<Err = ValueError>>(text: String) -> sqlx::Result<T> {
    text.parse().map_err(|error: ValueError| sqlx::Error::Decode(error.into()))
}
