//! All lanes in one list.

use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::recorded::{EventId, RecordedEvent};
use shared_events::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::chrono::{DateTime, Utc};

use super::{LaneHead, LogReader, ReadError, number};
use crate::log::foresight;
use crate::log::merge::{Merge, Place, Stretch};
use crate::log::row::{self, EventRow};

/// Places of a lane that are read at a time, at least: more as long as one lane holds the others up.
const BIT_LEN_MIN: usize = 64;

/// The next events of all lanes together, or why there are none to tell.
#[derive(Debug)]
pub enum Merged {
    /// By time recorded, then lane, then position.
    Next {
        /// Which events.
        ids: Vec<EventId>,
        /// The position after them: the one asked after, moved on.
        position: PositionToken,
    },
    /// The position asked after names a lane that the log does not have.
    UnknownLane(Lane),
}

impl LogReader {
    /// The next events of all lanes together after a position, at most `limit`, settled: no event
    /// that is yet to come belongs before one of these.
    ///
    /// Whoever goes on after the position returned misses nothing and gets nothing twice, for each
    /// lane is told in its own order without a gap.
    ///
    /// # Errors
    /// The log cannot be read, or a lane stayed locked too long.
    pub async fn merged(&self, after: &PositionToken, limit: usize) -> Result<Merged, ReadError> {
        // 1. What is settled: what is not new; where there is something new, that too, after a wait.
        let now = self.clock().await?;
        let before = Timestamp::new(now.to_utc() - foresight::BEHIND_MAX);
        let is_new = |head: &LaneHead| head.recorded_at.is_some_and(|at| at > before);
        let lanes = self.heads().await?;
        let settled = if lanes.iter().any(is_new) { now } else { before };
        let heads = self.settle(&lanes, now, settled).await?;
        let is_known = |lane: &Lane| heads.iter().any(|head| head.lane == *lane);
        if let Some((lane, _)) = after.iter().find(|(lane, _)| !is_known(lane)) {
            return Ok(Merged::UnknownLane(lane));
        }
        // 2. The order of what is not told yet, from places and times alone.
        let stretches = heads.iter().map(|head| Stretch {
            lane: head.lane,
            after: after.get(head.lane).unwrap_or_default(),
            up_to: head.position,
        });
        let mut merge = Merge::new(stretches, limit);
        let mut bit_len = (limit / heads.len().max(1)).max(BIT_LEN_MIN);
        loop {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                break;
            }
            merge.bring(self.places(&wanted, bit_len.min(limit)).await?);
            bit_len *= 2;
        }
        // 3. Where that leads.
        let mut position = after.clone();
        let ids: Vec<EventId> =
            merge.into_places().iter().map(|place| EventId(place.lane, place.position)).collect();
        for EventId(lane, reached) in &ids {
            position.reach(*lane, *reached);
        }
        if let (true, Some(head)) = (position.is_empty(), heads.first()) {
            // An empty token has no text; the start of any lane says the same.
            position.reach(head.lane, Position::default());
        }
        Ok(Merged::Next { ids, position })
    }

    /// The first places of each stretch, of which there are some.
    async fn places(&self, stretches: &[Stretch], limit: usize) -> Result<Vec<Place>, ReadError> {
        let column = |of: fn(&Stretch) -> i64| stretches.iter().map(of).collect::<Vec<i64>>();
        let lanes: Vec<i16> = stretches.iter().map(|stretch| number(stretch.lane)).collect();
        let rows = sqlx::query(include_str!("../../../queries/list_places.sql"))
            .bind(lanes)
            .bind(column(|stretch| stretch.after.0))
            .bind(column(|stretch| stretch.up_to.0))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        if rows.is_empty() {
            // A gap, which there cannot be; asking again would not end.
            return Err(ReadError::Corrupt(sqlx::Error::RowNotFound));
        }
        let places: sqlx::Result<Vec<Place>> = rows.iter().map(place).collect();
        Ok(places?)
    }

    /// The events with these ids, in this order.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn events(&self, ids: &[EventId]) -> Result<Vec<RecordedEvent>, ReadError> {
        let rows = row::events_at(&self.pool, ids).await?;
        Ok(rows.into_iter().map(|EventRow(event)| event).collect())
    }
}

fn place(row: &PgRow) -> sqlx::Result<Place> {
    Ok(Place {
        recorded_at: Timestamp::new(row.try_get::<DateTime<Utc>, _>("recorded_at")?),
        lane: row::lane(row, "lane")?,
        position: Position(row.try_get("position")?),
    })
}
