//! The figures of many subjects in one statement, now or in the past.

use shared_events::lane::{Lane, LaneMap, Position};
use shared_events::stream::Stream;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::http::Service;
use crate::http::answer::{Figure, LEVEL};
use crate::http::past::Past;
use crate::http::problem::Problem;
use crate::http::rows::{lane, token};
use crate::http::wait::{AsOf, Lookup};

/// An item at one location, or at all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub sku: Sku,
    pub location: Option<LocationCode>,
}

/// The lanes that decide what is known of a subject.
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

    pub(crate) fn all(self) -> Vec<Lane> {
        [self.item].into_iter().chain(self.location).collect()
    }
}

/// The figures of each subject, in the order of the subjects, all of one moment.
pub(crate) async fn read_figures(
    service: &Service,
    subjects: &[Subject],
    past: &Past,
) -> Result<Vec<Lookup<Figure>>, Problem> {
    let lane_map = service.lane_map()?;
    let lanes: Vec<Lanes> = subjects.iter().map(|one| Lanes::in_map(lane_map, one)).collect();
    let item_lanes = || lanes.iter().map(|one| one.item);
    let location_lanes = || lanes.iter().map(|one| one.location);
    let skus: Vec<&str> = subjects.iter().map(|one| one.sku.as_str()).collect();
    let locations: Vec<Option<&str>> =
        subjects.iter().map(|one| one.location.as_ref().map(LocationCode::as_str)).collect();
    let statement = if past.is_present() {
        include_str!("../../get_stock_figures.sql")
    } else {
        include_str!("../../get_stock_figures_then.sql")
    };
    let mut query = sqlx::query(statement)
        .bind(service.projection.version())
        .bind(skus)
        .bind(locations)
        .bind(item_lanes().map(i16::from).collect::<Vec<i16>>())
        .bind(location_lanes().map(|lane| lane.map(i16::from)).collect::<Vec<_>>());
    if !past.is_present() {
        query = query
            .bind(item_lanes().map(|lane| past.upto(lane)).collect::<Vec<_>>())
            .bind(location_lanes().map(|lane| past.upto(lane?)).collect::<Vec<_>>())
            .bind(past.as_of.map(|time| time.to_utc()));
    }
    let rows = query.fetch_all(&service.pool).await?;
    let mut figures: Vec<Option<Lookup<Figure>>> = vec![None; subjects.len()];
    for row in &rows {
        let index = usize::try_from(row.try_get::<i64, _>("place")? - 1).unwrap_or(usize::MAX);
        let subject = subjects.get(index).ok_or(sqlx::Error::RowNotFound)?;
        figures[index] = Some(lookup_figure(row, subject, lanes[index])?);
    }
    let figures: Option<Vec<Lookup<Figure>>> = figures.into_iter().collect();
    // A lane without a checkpoint is not a lane of this database.
    figures.ok_or_else(|| sqlx::Error::RowNotFound.into())
}

fn lookup_figure(row: &PgRow, subject: &Subject, lanes: Lanes) -> sqlx::Result<Lookup<Figure>> {
    let lane = lane(row)?;
    let mut position = token(lane, row.try_get("applied")?);
    let has_history = row.try_get::<Option<i64>, _>("version")?.is_some();
    let is_known = |column| row.try_get::<Option<bool>, _>(column).map(|known| known == Some(true));
    let value = match (&subject.location, lanes.location) {
        _ if has_history => Ok(Figure::of(row, lane, &LEVEL)?),
        _ if !is_known("item_known")? => Err(Problem::unknown_sku(subject.sku.to_string())),
        (Some(location), Some(location_lane)) if !is_known("location_known")? => {
            position.reach(location_lane, Position(row.try_get("location_applied")?));
            Err(Problem::unknown_location(location.to_string()))
        }
        _ => Ok(Figure::of(row, lane, &LEVEL)?),
    };
    Ok(AsOf { position, value })
}
