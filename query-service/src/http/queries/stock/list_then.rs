//! Lists of figures of the past: the pairs of now are gone through, and what each was then looked up.

use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;

use super::StockLevel;
use super::list::{Filter, level};
use crate::database;
use crate::http::Service;
use crate::http::filtered::Filtered;
use crate::http::moment::Past;
use crate::http::page::{self, Cursor, Page};
use crate::http::problem::Problem;
use crate::http::queries::stored;
use crate::http::wait::Reflecting;

/// How many pairs may be gone through for one that is on the page.
const PAIRS_PER_ROW: i64 = 20;

/// A page ends when it is full, or when so many pairs were gone through: what came later than then
/// must not make it slow.
pub(super) async fn read_stock_levels_then(
    service: &Service,
    filter: &Filter,
    past: &Past,
) -> Result<Reflecting<Page<StockLevel>>, Problem> {
    let after = filter.after.as_ref();
    let known = || past.known.iter().flat_map(|known| known.iter());
    let rows = Filtered::new(include_str!("../../../../queries/list_stock_levels_then.sql"))
        .bind(service.projection.version())
        .filter(filter.location.as_ref().map(LocationCode::as_str))
        .filter(filter.sku_prefix.as_ref().map(Sku::as_str))
        .filter(after.map(|(sku, _)| sku.as_str()))
        .filter(after.map(|(_, location)| location.as_str()))
        .limit(filter.limit)
        .bind(known().map(|(lane, _)| database::lane_column(lane)).collect::<Vec<i16>>())
        .bind(known().map(|(_, position)| position.0).collect::<Vec<i64>>())
        .filter(past.as_of.map(Timestamp::to_utc))
        .limit((filter.limit + 1) * PAIRS_PER_ROW)
        .fetch_all(&service.pool)
        .await?;
    let mut read = page::of_rows(&rows, filter.limit, level, |level| Cursor::StockLevel {
        sku: level.sku.clone(),
        location: level.location.clone(),
    })?;
    if read.found.next_cursor.is_none() {
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        read.found.next_cursor = match first.try_get::<Option<Vec<String>>, _>("looked_up_to")? {
            None => None,
            Some(pair) => {
                let [sku, location]: [String; 2] =
                    pair.try_into().map_err(|_| sqlx::Error::RowNotFound)?;
                let cursor = Cursor::StockLevel { sku: stored(sku)?, location: stored(location)? };
                Some(cursor.encode())
            }
        };
    }
    Ok(read)
}
