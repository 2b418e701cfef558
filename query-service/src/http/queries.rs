//! The questions, by what they are about.

pub mod stock;
pub mod availability;
pub mod movements;
pub mod explain;
pub mod diff;
pub mod changes;
pub mod reservations;
pub mod items;
pub mod projections;
pub mod integrity;

use std::str::FromStr;

use shared_events::event::Reference;
use shared_events::lane::Lane;
use shared_events::values::{Label, LocationCode, Sku, ValueError};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::database;
use crate::http::answer::place;
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::wait::{Found, Reflecting};

/// A sku in a path; text that can be none is one that nobody registered.
pub fn sku(text: &str) -> Result<Sku, Problem> {
    text.parse().map_err(|_| Problem::UnknownSku(text.to_owned()))
}

/// A location in a path; text that can be none is one that nobody registered.
pub fn location(text: &str) -> Result<LocationCode, Problem> {
    text.parse().map_err(|_| Problem::UnknownLocation(text.to_owned()))
}

/// Takes `reference`: a document's type and id with a slash between; the type has none.
pub fn take_reference(parameters: &mut Parameters) -> Result<Option<(Label, Label)>, Problem> {
    let Some(text) = parameters.take_text("reference") else {
        return Ok(None);
    };
    let parts =
        text.split_once('/').and_then(|(kind, id)| Some((kind.parse().ok()?, id.parse().ok()?)));
    match parts {
        Some(reference) => Ok(Some(reference)),
        None => Err(invalid("reference", "type/id, such as invoice/536365")),
    }
}

/// The lane that a row was written from.
pub fn lane(row: &PgRow) -> sqlx::Result<Lane> {
    row.try_get("lane").map(database::lane)
}

/// What a row holds if its thing is `present`, as of the position that its lane was `applied` to.
pub fn found<T>(
    row: &PgRow,
    thing: impl FnOnce(&PgRow) -> sqlx::Result<T>,
    missing: Problem,
) -> sqlx::Result<Found<T>> {
    let position = place(lane(row)?, row.try_get("applied")?);
    let found = if row.try_get("present")? { Ok(thing(row)?) } else { Err(missing) };
    Ok(Reflecting { position, found })
}

/// A value as it was stored, which has passed its rules before.
pub fn stored<T: FromStr<Err = ValueError>>(text: String) -> sqlx::Result<T> {
    text.parse().map_err(|error: ValueError| sqlx::Error::Decode(error.into()))
}

/// The outside document behind a row, if it names one.
pub fn reference(row: &PgRow) -> sqlx::Result<Option<Reference>> {
    let Some(kind) = row.try_get::<Option<String>, _>("reference_type")? else {
        return Ok(None);
    };
    let line: Option<String> = row.try_get("reference_line")?;
    Ok(Some(Reference {
        kind: stored(kind)?,
        id: stored(row.try_get("reference_id")?)?,
        line: line.map(stored).transpose()?,
    }))
}
