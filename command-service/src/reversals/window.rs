//! What a window holds: the events that match, in steps.

use std::collections::HashMap;

use chrono::TimeDelta;
use shared_events::lane::{EventId, Lane, Position, PositionToken};
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReversalId, Sku};
use sqlx::Row;
use sqlx::postgres::PgPool;
use sqlx::types::chrono::{DateTime, Utc};

use super::steps::{Found, Step, into_steps};
use super::{Progress, Status, WindowBy, WindowError, WindowRequest};
use crate::log::read::{HeadsAt, LaneHead, LogReader, ReadError};
use crate::log::reversal::REVERSED_EVENTS_MAX;
use crate::log::row::lane_number;

/// Events that one reversal may have.
const EVENTS_MAX: usize = 100_000;

/// The facts that a reversal of a window looks at: those that changed on_hand, which it takes back,
/// and the steps of reservations, for which a correlation is refused. What ends by itself is passed
/// over, and so is what itself took something back.
const TYPES: [&str; 20] = [
    "StockReceived",
    "StockIssued",
    "StockAdjusted",
    "StockSet",
    "StockMovedOut",
    "StockMovedIn",
    "StockReserved",
    "StockHoldExtended",
    "StockReleased",
    "StockAllocated",
    "StockDeallocated",
    "StockFulfilled",
    "StockReturned",
    "ReservationHeld",
    "ReservationExtended",
    "ReservationConfirmed",
    "ReservationReleased",
    "ReservationFulfilled",
    "ReservationCancelled",
    "ReservationReturned",
];

/// What a window holds.
#[derive(Debug)]
pub(super) struct Window {
    /// The database's time when it was read.
    pub(super) now: Timestamp,
    /// The heads up to which it was read.
    pub(super) position: PositionToken,
    /// In the order in which they are to be taken back.
    pub(super) steps: Vec<Step>,
}

impl Window {
    pub(super) fn events(&self) -> usize {
        self.steps.iter().map(|step| step.events.len()).sum()
    }

    /// Whether there is anything to do.
    pub(super) fn status(&self) -> Status {
        if self.steps.is_empty() { Status::Done } else { Status::Running }
    }

    /// What is known of it before anything is done.
    pub(super) fn progress(&self, id: ReversalId, status: Status, dry_run: bool) -> Progress {
        Progress {
            reversal_id: id,
            status,
            dry_run,
            position: self.position.clone(),
            events: self.events() as u64,
            correlations: self.steps.len() as u64,
            reversed: 0,
            refused: 0,
            refusals: Vec::new(),
        }
    }
}

/// Reads what a window holds now.
pub(super) async fn select(pool: &PgPool, request: &WindowRequest) -> Result<Window, WindowError> {
    // 1. Pin the heads: whoever took an earlier time than this has committed when they are told.
    let log = LogReader::new(pool.clone());
    let now: DateTime<Utc> =
        sqlx::query_scalar(include_str!("../../queries/read_clock.sql")).fetch_one(pool).await?;
    let now = Timestamp::new(now);
    let heads = heads_at(&log, now).await?;
    // 2. A window of recorded_at is one of positions.
    let parts = match request.by {
        WindowBy::RecordedAt => {
            let before = heads_at(&log, just_before(request.from).min(now)).await?;
            let last = heads_at(&log, just_before(request.to).min(now)).await?;
            between(&before, &last)
        }
        WindowBy::OccurredAt => between(&[], &heads),
    };
    // 3. Select, lane by lane.
    let mut found = Vec::new();
    for part in parts {
        select_part(pool, request, &part, &mut found).await?;
        if found.len() > EVENTS_MAX {
            return Err(WindowError::TooLarge { limit: EVENTS_MAX });
        }
    }
    let position = heads.iter().map(|head| (head.lane, head.position)).collect();
    Ok(Window { now, position, steps: into_steps(found, REVERSED_EVENTS_MAX) })
}

async fn heads_at(log: &LogReader, moment: Timestamp) -> Result<Vec<LaneHead>, ReadError> {
    match log.heads_at(moment).await? {
        HeadsAt::Settled(heads) => Ok(heads),
        HeadsAt::Ahead { now } => {
            let went_back = format!("the database's clock went back, from {moment} to {now}");
            Err(ReadError::Unavailable(sqlx::Error::Protocol(went_back)))
        }
    }
}

/// The last moment before another.
fn just_before(moment: Timestamp) -> Timestamp {
    Timestamp::new(moment.to_utc() - TimeDelta::microseconds(1))
}

/// A stretch of a lane.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    lane: Lane,
    after: Position,
    up_to: Position,
}

/// The stretches from one vector of heads to a later one, those that are not empty.
fn between(before: &[LaneHead], last: &[LaneHead]) -> Vec<Part> {
    let begin: HashMap<Lane, Position> =
        before.iter().map(|head| (head.lane, head.position)).collect();
    let part = |head: &LaneHead| Part {
        lane: head.lane,
        after: begin.get(&head.lane).copied().unwrap_or_default(),
        up_to: head.position,
    };
    last.iter().map(part).filter(|part| part.after < part.up_to).collect()
}

async fn select_part(
    pool: &PgPool,
    request: &WindowRequest,
    part: &Part,
    found: &mut Vec<Found>,
) -> Result<(), WindowError> {
    let occurred = match request.by {
        WindowBy::RecordedAt => None,
        WindowBy::OccurredAt => Some((request.from.to_utc(), request.to.to_utc())),
    };
    let left = EVENTS_MAX + 1 - found.len();
    let rows = sqlx::query(include_str!("../../queries/select_window.sql"))
        .bind(lane_number(part.lane))
        .bind(part.after.0)
        .bind(part.up_to.0)
        .bind(occurred.map(|(from, _)| from))
        .bind(occurred.map(|(_, to)| to))
        .bind(TYPES)
        .bind(request.actor.as_ref().map(Label::as_str))
        .bind(request.sku.as_ref().map(Sku::as_str))
        .bind(request.location.as_ref().map(LocationCode::as_str))
        .bind(i64::try_from(left).unwrap_or(i64::MAX))
        .fetch_all(pool)
        .await?;
    for row in rows {
        let correlation_id = row.try_get::<&str, _>("correlation_id")?.parse();
        found.push(Found {
            id: EventId(part.lane, Position(row.try_get("position")?)),
            correlation_id: correlation_id.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            recorded_at: Timestamp::new(row.try_get("recorded_at")?),
            is_moved_out: row.try_get("is_moved_out")?,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared_events::event::Event;

    use super::*;

    #[test]
    fn a_window_of_positions_is_what_lies_between_two_vectors() {
        let head = |lane, position| LaneHead {
            lane: Lane(lane),
            position: Position(position),
            chain: Default::default(),
            recorded_at: None,
        };
        let part = |lane, after, up_to| Part {
            lane: Lane(lane),
            after: Position(after),
            up_to: Position(up_to),
        };
        let before = [head(0, 3), head(1, 5), head(2, 0)];
        let last = [head(0, 7), head(1, 5), head(2, 2)];
        assert_eq!(between(&before, &last), [part(0, 3, 7), part(2, 0, 2)]);
        assert_eq!(between(&[], &last[1..2]), [part(1, 0, 5)]);
    }

    #[test]
    fn every_fact_is_looked_at_unless_it_describes_ends_by_itself_or_takes_back() {
        let passed_over: BTreeSet<&str> = Event::TYPES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !TYPES.contains(name))
            .collect();
        let expected = [
            "ItemChanged",
            "ItemRegistered",
            "ItemRetired",
            "LocationChanged",
            "LocationRegistered",
            "ReservationExpired",
            "StockHoldExpired",
            "StockReversed",
        ];
        assert_eq!(passed_over, BTreeSet::from(expected));
    }
}
