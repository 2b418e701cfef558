//! Rows as columns, which is how one statement takes many of them.

use chrono::{DateTime, Utc};

use crate::database;
use crate::projection::changes::Place;

pub(super) fn column<T>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect()
}

/// The columns that every table has.
pub(super) struct Places {
    pub(super) lanes: Vec<i16>,
    pub(super) positions: Vec<i64>,
    pub(super) versions: Vec<i64>,
    pub(super) recorded_at: Vec<DateTime<Utc>>,
}

impl Places {
    pub(super) fn of<'a>(places: impl Iterator<Item = &'a Place> + Clone) -> Self {
        let each = || places.clone();
        Self {
            lanes: column(each().map(|place| database::lane_column(place.lane))),
            positions: column(each().map(|place| place.position.0)),
            versions: column(each().map(|place| place.version.0)),
            recorded_at: column(each().map(|place| place.recorded_at.to_utc())),
        }
    }
}
