//! All lanes in one order: by recorded time, then lane, then position.
//!
//! Within a lane that is the order of positions, because its time never goes back. So the merged list
//! keeps the order of every lane.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::recorded::{EventId, RecordedEvent};
use shared_events::time::Timestamp;
use shared_events::values::Label;
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::chrono::{DateTime, Utc};

use super::{LaneHead, LogReader, ReadError, number};
use crate::log::row::{self, EventRow};
use crate::log::writer::BEHIND_MAX;

/// The least positions of a lane to read at a time. More are read while one lane delays the others.
const PAGE_LEN_MIN: usize = 64;

/// The next events of all lanes.
#[derive(Debug)]
pub enum Merged {
    /// In order, with the position after them.
    Next { ids: Vec<EventId>, position: PositionToken },
    /// The position names a lane that the log does not have.
    UnknownLane(Lane),
    /// The position is beyond the end of a lane.
    Beyond(LaneHead),
}

impl LogReader {
    /// At most `limit` events of all lanes after a position, settled: no event that is still to come
    /// belongs before one of them. Reading on from the returned position gets every event exactly once.
    /// Fails if an append takes too long.
    pub async fn merged(&self, after: &PositionToken, limit: usize) -> Result<Merged, ReadError> {
        // 1. Older events are settled. If there are newer ones, wait until those are settled too.
        let now = self.clock().await?;
        let before = Timestamp::new(now.to_utc() - BEHIND_MAX);
        let is_new = |head: &LaneHead| head.recorded_at.is_some_and(|at| at > before);
        let lanes = self.heads().await?;
        if let Some(refused) = refused(after, &lanes) {
            return Ok(refused);
        }
        let settled = if lanes.iter().any(is_new) { now } else { before };
        let heads = self.settled_heads(now, settled).await?;
        // 2. Find the order of the next events from their positions and times alone.
        let ranges = heads.iter().map(|head| LaneRange {
            lane: head.lane,
            after: after.get(head.lane).unwrap_or_default(),
            up_to: head.position,
        });
        let mut merge = Merge::new(ranges, limit);
        let mut page_len = (limit / heads.len().max(1)).max(PAGE_LEN_MIN);
        loop {
            let missing = merge.missing();
            if missing.is_empty() {
                break;
            }
            merge.push(self.event_positions(&missing, page_len.min(limit)).await?);
            page_len *= 2;
        }
        // 3. Advance the position.
        let merged = merge.merged.iter();
        let ids = merged.map(|event| EventId(event.lane, event.position)).collect();
        Ok(next(ids, after, &heads))
    }

    /// At most `limit` events of a correlation after a position, as far as they are recorded. Reading on from
    /// the returned position gets every event exactly once, because a lane's events appear in order.
    pub async fn of_correlation(
        &self,
        correlation: &Label,
        after: &PositionToken,
        limit: usize,
    ) -> Result<Merged, ReadError> {
        let heads = self.heads().await?;
        if let Some(refused) = refused(after, &heads) {
            return Ok(refused);
        }
        let (lanes, positions): (Vec<i16>, Vec<i64>) =
            after.iter().map(|(lane, position)| (number(lane), position.0)).unzip();
        let rows = sqlx::query(include_str!("../../../queries/list_events_of_correlation.sql"))
            .bind(correlation.as_str())
            .bind(lanes)
            .bind(positions)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        let ids: sqlx::Result<Vec<EventId>> =
            rows.iter().map(|row| row::event_id(row, "lane", "position")).collect();
        Ok(next(ids?, after, &heads))
    }

    /// The first positions of each range. None of the ranges is empty.
    async fn event_positions(
        &self,
        ranges: &[LaneRange],
        limit: usize,
    ) -> Result<Vec<EventPosition>, ReadError> {
        let column = |of: fn(&LaneRange) -> i64| ranges.iter().map(of).collect::<Vec<i64>>();
        let lanes: Vec<i16> = ranges.iter().map(|range| number(range.lane)).collect();
        let rows = sqlx::query(include_str!("../../../queries/list_event_positions.sql"))
            .bind(lanes)
            .bind(column(|range| range.after.0))
            .bind(column(|range| range.up_to.0))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await?;
        if rows.is_empty() {
            // The log has a gap; reading again would not end.
            return Err(ReadError::Corrupt(sqlx::Error::RowNotFound));
        }
        let positions: sqlx::Result<Vec<EventPosition>> = rows.iter().map(event_position).collect();
        Ok(positions?)
    }

    /// The events with these ids, in this order.
    pub async fn events(&self, ids: &[EventId]) -> Result<Vec<RecordedEvent>, ReadError> {
        let rows = row::events_at(&self.pool, ids).await?;
        Ok(rows.into_iter().map(|EventRow(event)| event).collect())
    }
}

/// Why nothing can follow a position.
fn refused(after: &PositionToken, heads: &[LaneHead]) -> Option<Merged> {
    after.iter().find_map(|(lane, position)| match heads.iter().find(|head| head.lane == lane) {
        None => Some(Merged::UnknownLane(lane)),
        Some(head) if head.position < position => Some(Merged::Beyond(*head)),
        Some(_) => None,
    })
}

/// These events, with the position after them.
fn next(ids: Vec<EventId>, after: &PositionToken, heads: &[LaneHead]) -> Merged {
    let mut position = after.clone();
    for EventId(lane, reached) in &ids {
        position.reach(*lane, *reached);
    }
    if let (true, Some(head)) = (position.is_empty(), heads.first()) {
        // An empty token has no text. The start of any lane means the same.
        position.reach(head.lane, Position::default());
    }
    Merged::Next { ids, position }
}

fn event_position(row: &PgRow) -> sqlx::Result<EventPosition> {
    Ok(EventPosition {
        recorded_at: Timestamp::new(row.try_get::<DateTime<Utc>, _>("recorded_at")?),
        lane: row::lane(row, "lane")?,
        position: Position(row.try_get("position")?),
    })
}

/// An event's key in the order of all lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EventPosition {
    recorded_at: Timestamp,
    lane: Lane,
    position: Position,
}

/// The positions of a lane after `after` up to and including `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LaneRange {
    lane: Lane,
    after: Position,
    up_to: Position,
}

/// Merges lanes whose positions arrive page by page.
#[derive(Debug)]
struct Merge {
    lanes: BTreeMap<Lane, Buffer>,
    /// The next position of every lane with a non-empty buffer.
    next: BinaryHeap<Reverse<EventPosition>>,
    /// The number of starved lanes, without which the merge cannot continue.
    starved: usize,
    merged: Vec<EventPosition>,
    limit: usize,
}

#[derive(Debug)]
struct Buffer {
    unread: LaneRange,
    read: VecDeque<EventPosition>,
}

impl Merge {
    /// Merges ranges of different lanes, up to the first `limit` positions.
    fn new(ranges: impl IntoIterator<Item = LaneRange>, limit: usize) -> Self {
        let lanes: BTreeMap<Lane, Buffer> = ranges
            .into_iter()
            .filter(|range| range.after < range.up_to)
            .map(|unread| (unread.lane, Buffer { unread, read: VecDeque::new() }))
            .collect();
        let starved = lanes.len();
        Self { lanes, next: BinaryHeap::new(), starved, merged: Vec::new(), limit }
    }

    /// The ranges to read before the merge can continue; empty when it is complete.
    fn missing(&self) -> Vec<LaneRange> {
        if self.merged.len() == self.limit {
            return Vec::new();
        }
        let starved = self.lanes.values().filter(|buffer| buffer.is_starved());
        starved.map(|buffer| buffer.unread).collect()
    }

    /// Adds the first positions of each missing range and merges as far as possible.
    fn push(&mut self, positions: impl IntoIterator<Item = EventPosition>) {
        for event in positions {
            if let Some(buffer) = self.lanes.get_mut(&event.lane) {
                if buffer.is_starved() {
                    self.starved -= 1;
                    self.next.push(Reverse(event));
                }
                buffer.unread.after = event.position;
                buffer.read.push_back(event);
            }
        }
        while self.starved == 0
            && self.merged.len() < self.limit
            && let Some(Reverse(event)) = self.next.pop()
        {
            self.merged.push(event);
            if let Some(buffer) = self.lanes.get_mut(&event.lane) {
                buffer.read.pop_front();
                self.next.extend(buffer.read.front().copied().map(Reverse));
                self.starved += usize::from(buffer.is_starved());
            }
        }
    }
}

impl Buffer {
    /// Whether the buffer is empty although the lane has more.
    fn is_starved(&self) -> bool {
        self.read.is_empty() && self.unread.after < self.unread.up_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(lane: u16, position: i64, second: i64) -> EventPosition {
        let recorded_at = format!("2026-01-01T00:00:{second:02}Z").parse().unwrap();
        EventPosition { recorded_at, lane: Lane(lane), position: Position(position) }
    }

    /// Two busy lanes, one that begins late, and equal times.
    fn lanes() -> Vec<Vec<EventPosition>> {
        vec![
            (1..=20).map(|nth| event(0, nth, nth)).collect(),
            (1..=20).map(|nth| event(1, nth, nth / 2)).collect(),
            (1..=3).map(|nth| event(2, nth, 15)).collect(),
        ]
    }

    /// Merges with at most `page` positions of a lane at a time.
    fn merged(after: i64, limit: usize, page: usize) -> Vec<EventPosition> {
        let lanes = lanes();
        let ranges = lanes.iter().map(|events| LaneRange {
            lane: events[0].lane,
            after: Position(after),
            up_to: events[events.len() - 1].position,
        });
        let mut merge = Merge::new(ranges, limit);
        loop {
            let missing = merge.missing();
            if missing.is_empty() {
                return merge.merged;
            }
            merge.push(missing.into_iter().flat_map(|range| {
                let events = lanes[usize::from(range.lane.0)].iter().copied();
                events.filter(move |event| event.position > range.after).take(page)
            }));
        }
    }

    #[test]
    fn the_order_is_by_time_then_lane_then_position_for_any_page_size() {
        let mut expected: Vec<EventPosition> = lanes().into_iter().flatten().collect();
        expected.sort();
        for page in [1, 2, 7, 100] {
            assert_eq!(merged(0, 1_000, page), expected, "{page} at a time");
            for limit in [1, 10, 42] {
                assert_eq!(merged(0, limit, page), expected[..limit], "{page} at a time");
            }
        }
    }

    #[test]
    fn a_lane_begins_after_the_position_that_was_read() {
        let events = merged(3, 1_000, 4);
        assert_eq!(events.len(), 34);
        assert!(events.iter().all(|event| event.position > Position(3)));
    }

    #[test]
    fn lanes_at_their_end_are_not_read() {
        let end = LaneRange { lane: Lane(0), after: Position(7), up_to: Position(7) };
        let beyond = LaneRange { lane: Lane(1), after: Position(9), up_to: Position(7) };
        let merge = Merge::new([end, beyond], 10);
        assert!(merge.missing().is_empty() && merge.merged.is_empty());
    }
}
