//! The figures of many subjects in one statement, now or then.

use shared_events::lane::{Lane, LaneMap, Position};
use shared_events::stream::Stream;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::database;
use crate::http::Service;
use crate::http::answer::{Figure, LEVEL, place};
use crate::http::moment::Past;
use crate::http::problem::Problem;
use crate::http::queries::lane;
use crate::http::wait::{Found, Reflecting};

/// What figures are of: an item at a location, or over all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The item.
    pub sku: Sku,
    /// Where; everywhere if it is not said.
    pub location: Option<LocationCode>,
}

/// The lanes that decide what is known of a subject: first the item's, then the location's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes {
    pub(crate) item: Lane,
    pub(crate) location: Option<Lane>,
}

impl Lanes {
    pub(crate) fn of(service: &Service, subject: &Subject) -> Result<Self, Problem> {
        Ok(Self::in_map(service.lane_map()?, subject))
    }

    fn in_map(lane_map: &LaneMap, Subject { sku, location }: &Subject) -> Self {
        let location = location.clone().map(Stream::Location);
        Self {
            item: lane_map.lane_of_item(sku),
            location: location.map(|stream| lane_map.lane_of(&stream)),
        }
    }

    /// All of them.
    pub(crate) fn all(self) -> Vec<Lane> {
        [self.item].into_iter().chain(self.location).collect()
    }
}

/// The figures of each subject, in their order, all of one moment.
///
/// # Errors
/// The database is away.
pub(crate) async fn read_figures(
    service: &Service,
    subjects: &[Subject],
    past: Option<&Past>,
) -> Result<Vec<Found<Figure>>, Problem> {
    let lane_map = service.lane_map()?;
    let lanes: Vec<Lanes> = subjects.iter().map(|one| Lanes::in_map(lane_map, one)).collect();
    let item_lanes = || lanes.iter().map(|one| one.item);
    let location_lanes = || lanes.iter().map(|one| one.location);
    let skus: Vec<&str> = subjects.iter().map(|one| one.sku.as_str()).collect();
    let locations: Vec<Option<&str>> =
        subjects.iter().map(|one| one.location.as_ref().map(LocationCode::as_str)).collect();
    let query = match past {
        None => sqlx::query(include_str!("../../../../queries/get_stock_figures.sql")),
        Some(_) => sqlx::query(include_str!("../../../../queries/get_stock_figures_then.sql")),
    };
    let query = query
        .bind(service.projection.version())
        .bind(skus)
        .bind(locations)
        .bind(item_lanes().map(database::lane_column).collect::<Vec<i16>>())
        .bind(location_lanes().map(|lane| lane.map(database::lane_column)).collect::<Vec<_>>());
    let query = match past {
        None => query,
        Some(past) => query
            .bind(item_lanes().map(|lane| past.upto(lane)).collect::<Vec<_>>())
            .bind(location_lanes().map(|lane| past.upto(lane?)).collect::<Vec<_>>())
            .bind(past.as_of.map(|moment| moment.to_utc())),
    };
    let rows = query.fetch_all(&service.pool).await?;
    let mut found: Vec<Option<Found<Figure>>> = vec![None; subjects.len()];
    for row in &rows {
        let index = usize::try_from(row.try_get::<i64, _>("place")? - 1).unwrap_or(usize::MAX);
        let subject = subjects.get(index).ok_or(sqlx::Error::RowNotFound)?;
        found[index] = Some(one_found(row, subject, lanes[index])?);
    }
    let found: Option<Vec<Found<Figure>>> = found.into_iter().collect();
    // A lane without a checkpoint is one that this database was not made for.
    found.ok_or_else(|| sqlx::Error::RowNotFound.into())
}

fn one_found(row: &PgRow, subject: &Subject, lanes: Lanes) -> sqlx::Result<Found<Figure>> {
    let lane = lane(row)?;
    let mut position = place(lane, row.try_get("applied")?);
    let has_history = row.try_get::<Option<i64>, _>("version")?.is_some();
    let is_known = |column| row.try_get::<Option<bool>, _>(column).map(|known| known == Some(true));
    let found = match (&subject.location, lanes.location) {
        _ if has_history => Ok(Figure::of(row, lane, &LEVEL)?),
        _ if !is_known("item_known")? => Err(Problem::UnknownSku(subject.sku.to_string())),
        (Some(location), Some(location_lane)) if !is_known("location_known")? => {
            position.reach(location_lane, Position(row.try_get("location_applied")?));
            Err(Problem::UnknownLocation(location.to_string()))
        }
        _ => Ok(Figure::of(row, lane, &LEVEL)?),
    };
    Ok(Reflecting { position, found })
}
