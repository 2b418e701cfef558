//! The locks of a batch, and what is read the moment they are held.

use std::collections::HashSet;

use shared_events::lane::Lane;
use shared_events::time::Timestamp;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::load::{self, Head, LoadError};
use super::plan::Plan;
use super::row::{array, lane_number};

/// What a batch holds locked, until its transaction ends.
pub(super) struct Locked {
    /// The heads of the lanes; they cannot move any more.
    pub(super) heads: Vec<Head>,
    /// The database's clock.
    pub(super) clock: Timestamp,
    /// The locks of keys that somebody else holds. Lanes needed only for those are not locked.
    pub(super) busy: HashSet<i64>,
}

/// Begins the transaction of a batch, and locks the keys and the lanes that it touches.
///
/// One round trip: two statements that are built of nothing but integers, sent together.
pub(super) async fn take(connection: &mut PgConnection, plan: &Plan) -> Result<Locked, LoadError> {
    let keys = array(plan.key_locks());
    let lanes = array(plan.needed.iter().map(|(lane, _)| lane_number(*lane)));
    let keys_of_lanes = array(
        plan.needed.iter().map(|(_, key)| key.map_or("null".to_owned(), |key| key.to_string())),
    );
    let statements = format!(
        "begin isolation level read committed; \
         select * from take_lanes('{keys}', '{lanes}', '{keys_of_lanes}')"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(connection).await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let clock = Timestamp::new(first.try_get::<DateTime<Utc>, _>("now")?);
    let busy: HashSet<i64> = first.try_get::<Vec<i64>, _>("busy")?.into_iter().collect();
    let heads: Vec<Head> =
        rows.iter().filter_map(|row| load::head(row).transpose()).collect::<sqlx::Result<_>>()?;
    let is_locked = |lane: Lane| heads.iter().any(|head| head.lane == lane);
    let is_wanted = |key: Option<i64>| key.is_none_or(|key| !busy.contains(&key));
    match plan.needed.iter().find(|(lane, key)| is_wanted(*key) && !is_locked(*lane)) {
        None => Ok(Locked { heads, clock, busy }),
        Some((lane, _)) => {
            let missing = format!("lane {} is not among the lanes of the log", lane.0);
            Err(LoadError::Database(sqlx::Error::Protocol(missing)))
        }
    }
}
