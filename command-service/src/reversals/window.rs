//! The events of a window, in steps.

use std::collections::HashMap;

use chrono::TimeDelta;
use shared_events::lane::{EventId, Lane, Position, PositionToken};
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReversalId, Sku};
use sqlx::Row;
use sqlx::postgres::PgPool;
use sqlx::types::chrono::{DateTime, Utc};

use super::{Progress, Status, WindowBy, WindowError, WindowRequest};
use crate::log::read::{HeadsAt, LaneHead, LogReader, ReadError};
use crate::log::reversal::REVERSED_EVENTS_MAX;
use crate::log::row::lane_number;

/// Events in one reversal.
const EVENTS_MAX: usize = 100_000;

/// The event types that a reversal of a window selects: those that change on_hand, which it reverses,
/// and those of reservations and transfers, which refuse their correlation. What time brings about, what
/// those who wait get, reversals, refused steps and orders, whose stock is a reservation's, are left alone.
const TYPES: &[&str] = &[
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
    "StockDispatched",
    "StockExpected",
    "StockArrived",
    "StockLost",
    "StockRecalled",
    "StockBroughtBack",
    "TransferDispatched",
    "TransferReceived",
    "TransferClosed",
    "TransferReturned",
    "StockWaitlisted",
    "StockWaitlistChanged",
    "ReservationWaitlisted",
    "ReservationWaitlistChanged",
];

/// The contents of a window.
#[derive(Debug)]
pub(crate) struct Window {
    /// The time of the database when the window was read.
    pub(crate) now: Timestamp,
    /// The lane heads up to which it was read.
    pub(crate) position: PositionToken,
    /// In the order in which they are reversed.
    pub(crate) steps: Vec<Step>,
}

impl Window {
    pub(crate) fn events(&self) -> usize {
        self.steps.iter().map(|step| step.events.len()).sum()
    }

    pub(crate) fn status(&self) -> Status {
        if self.steps.is_empty() { Status::Done } else { Status::Running }
    }

    /// The progress before the first step.
    pub(crate) fn progress(&self, id: ReversalId, status: Status, dry_run: bool) -> Progress {
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

/// Selects the events of a window as recorded by now.
pub(crate) async fn select(pool: &PgPool, request: &WindowRequest) -> Result<Window, WindowError> {
    // 1. Fix the heads: every event with an earlier time is committed when they are returned.
    let log = LogReader::new(pool.clone());
    let now: DateTime<Utc> =
        sqlx::query_scalar(include_str!("../../queries/read_clock.sql")).fetch_one(pool).await?;
    let now = Timestamp::new(now);
    let heads = heads_at(&log, now).await?;
    // 2. Turn a window of recorded_at into one of positions.
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

/// A range of positions of a lane.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    lane: Lane,
    after: Position,
    up_to: Position,
}

/// The ranges between two lists of heads, without empty ones.
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
    found: &mut Vec<WindowEvent>,
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
        found.push(WindowEvent {
            id: EventId(part.lane, Position(row.try_get("position")?)),
            correlation_id: correlation_id.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            recorded_at: Timestamp::new(row.try_get("recorded_at")?),
            is_moved_out: row.try_get("is_moved_out")?,
        });
    }
    Ok(())
}

/// Events of one correlation, which are reversed together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) correlation_id: Label,
    /// The newest first.
    pub(crate) events: Vec<EventId>,
}

/// An event of the window.
#[derive(Debug)]
struct WindowEvent {
    id: EventId,
    correlation_id: Label,
    recorded_at: Timestamp,
    /// Whether it is the first half of a move, whose second half is the next event.
    is_moved_out: bool,
}

/// Groups events by correlation, and orders these by their newest event, the newest first. A correlation
/// of more events than a reversal may have becomes several steps, none of which has half of a move:
/// reversing half a move would create or destroy goods.
fn into_steps(mut found: Vec<WindowEvent>, step_max: usize) -> Vec<Step> {
    // The newest event first; then the first event of a correlation determines its place.
    found.sort_unstable_by_key(|found| std::cmp::Reverse((found.recorded_at, found.id)));
    let mut places: HashMap<Label, usize> = HashMap::new();
    let mut steps: Vec<Step> = Vec::new();
    for WindowEvent { id, correlation_id, is_moved_out, .. } in found {
        let next = steps.len();
        let place = places.entry(correlation_id.clone()).or_insert(next);
        // A step with a second half keeps room for the first.
        let is_full = *place < next && steps[*place].events.len() + 1 >= step_max;
        if is_full && !is_moved_out {
            *place = next;
        }
        if *place == next {
            steps.push(Step { correlation_id, events: Vec::new() });
        }
        steps[*place].events.push(id);
    }
    steps
}

/// How many steps of these sizes have at most `events_max` events together, but at least one.
pub(crate) fn fitting(sizes: impl Iterator<Item = usize>, events_max: usize) -> usize {
    let mut events = 0;
    let fits = |(nth, size): &(usize, usize)| {
        events += size;
        *nth == 0 || events <= events_max
    };
    sizes.enumerate().take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared_events::event::Event;

    use super::*;

    #[test]
    fn a_window_of_positions_lies_between_two_lists_of_heads() {
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
    fn only_what_a_caller_did_to_stock_reservations_and_transfers_is_selected() {
        let left_alone: BTreeSet<&str> = Event::TYPES
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !TYPES.contains(name))
            .collect();
        let expected = [
            "ItemChanged",
            "ItemRegistered",
            "ItemReinstated",
            "ItemRetired",
            "LocationChanged",
            "LocationRegistered",
            "ReservationExpired",
            "ReservationFilled",
            "StockHoldExpired",
            "StockReversed",
            "StockWaitlistFilled",
            "StockWaitlistLeft",
            "TransferOverdue",
            "OrderPlaced",
            "OrderWaitlisted",
            "OrderReserved",
            "PaymentRequested",
            "PaymentAuthorised",
            "PaymentDeclined",
            "PaymentVoided",
            "OrderConfirmed",
            "OrderDeclined",
            "OrderTimedOut",
            "OrderCancelled",
            "OrderFailed",
            "OrderNeedsOperator",
            "OrderResumed",
            "ReservationStepRefused",
            "SubjectForgotten",
            "EventsRedacted",
        ];
        assert_eq!(left_alone, BTreeSet::from(expected));
    }

    fn found(correlation: &str, second: i64, lane: u16, position: i64) -> WindowEvent {
        WindowEvent {
            id: EventId(Lane(lane), Position(position)),
            correlation_id: correlation.parse().unwrap(),
            recorded_at: Timestamp::new(DateTime::from_timestamp(second, 0).unwrap()),
            is_moved_out: false,
        }
    }

    fn texts(steps: &[Step]) -> Vec<String> {
        let events = |step: &Step| {
            step.events.iter().map(ToString::to_string).collect::<Vec<String>>().join(" ")
        };
        steps.iter().map(|step| format!("{}: {}", step.correlation_id, events(step))).collect()
    }

    #[test]
    fn the_correlation_with_the_newest_event_is_the_first_step() {
        let all = vec![
            found("a", 1, 0, 1),
            found("b", 1, 0, 2),
            found("b", 1, 1, 1),
            found("c", 2, 0, 3),
            found("a", 3, 1, 2),
        ];
        assert_eq!(texts(&into_steps(all, 10)), ["a: 1-2 0-1", "c: 0-3", "b: 1-1 0-2"]);
        assert_eq!(into_steps(Vec::new(), 10), []);
    }

    #[test]
    fn a_correlation_that_is_too_large_becomes_several_steps() {
        let all = (1..=5).map(|nth| found("a", nth, 0, nth)).collect();
        assert_eq!(texts(&into_steps(all, 3)), ["a: 0-5 0-4", "a: 0-3 0-2", "a: 0-1"]);
    }

    #[test]
    fn a_step_has_both_halves_of_a_move_or_none() {
        let moves = |first: i64| -> Vec<WindowEvent> {
            let half = |nth: i64| WindowEvent {
                is_moved_out: (nth - first) % 2 == 0,
                ..found("a", 1, 0, nth)
            };
            (first..first + 6).map(half).collect()
        };
        let expected = ["a: 0-6 0-5 0-4 0-3", "a: 0-2 0-1"];
        assert_eq!(texts(&into_steps(moves(1), 4)), expected);
        let mut all = moves(1);
        all.push(found("a", 1, 0, 7));
        let expected = ["a: 0-7 0-6 0-5", "a: 0-4 0-3 0-2 0-1"];
        assert_eq!(texts(&into_steps(all, 4)), expected);
    }

    #[test]
    fn steps_fit_up_to_a_number_of_events_but_the_first_always_does() {
        let fits = |sizes: &[usize]| fitting(sizes.iter().copied(), 10);
        assert_eq!([fits(&[]), fits(&[11, 1]), fits(&[4, 6, 1]), fits(&[4, 7])], [0, 1, 2, 1]);
    }
}
