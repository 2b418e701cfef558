//! The rules of one lane: each event follows from the events before it, and each row of the views
//! follows from the events. Pure.
//!
//! Large descriptions are kept as a digest, so memory grows with the number of streams only.

mod compare;
mod waiters;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod properties;

use std::collections::{BTreeSet, HashMap};

use shared_events::event::{About, Event, Figures};
use shared_events::lane::{EventId, Lane, LaneMap, Position, Version};
use shared_events::lane_check::{LaneCheck, Redactions, Rule};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Sku;

pub use self::compare::Comparison;
use self::waiters::Waiters;
use super::difference::{Difference, Kind};
use super::rows::{
    Columns, MovementRow, digest, item_contents, location_contents, reservation_contents,
    transfer_contents, values,
};
use crate::pipeline::fact::Fact;
use crate::projections::reorder_point::reorder_point;
use crate::projections::stock::Totals;

/// The part of a lane that is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Lane,
    /// One item and its stock at all locations. The chain of other events is taken as it is.
    Sku(Sku),
}

/// The verification of one lane, event after event and then row after row.
#[derive(Debug)]
pub struct Verification {
    lane: Lane,
    lane_map: LaneMap,
    scope: Scope,
    /// Events that an operator had skipped, so the views do not show them.
    skipped: BTreeSet<Position>,
    /// Those of them that were met.
    passed_over: Vec<Position>,
    check: LaneCheck,
    checked: u64,
    rows: HashMap<Stream, Expected>,
    totals: HashMap<Sku, Expected>,
    waiters: Waiters,
    /// How far the views have applied the lane, at least.
    applied: Position,
}

/// A row as it has to be after its last event.
#[derive(Debug)]
struct Expected {
    /// The version of the stream or, for a total, the number of events.
    version: Version,
    position: Position,
    recorded_at: Timestamp,
    content: Content,
    /// Whether the views have such a row.
    is_met: bool,
}

#[derive(Debug, Clone, Copy)]
enum Content {
    Figures(Totals),
    Description(Description),
}

/// The description of an item, a location, a reservation or a transfer.
#[derive(Debug, Clone, Copy)]
struct Description {
    digest: [u8; 32],
    /// The event that states the contents.
    described_at: Position,
    /// The time of the first event of the stream.
    made_at: Timestamp,
    reorder_point: i64,
    retired: bool,
}

impl Verification {
    pub fn new(
        lane: Lane,
        lane_map: LaneMap,
        scope: Scope,
        skipped: impl IntoIterator<Item = Position>,
    ) -> Self {
        Self {
            lane,
            lane_map,
            scope,
            skipped: skipped.into_iter().collect(),
            passed_over: Vec::new(),
            check: LaneCheck::new(lane),
            checked: 0,
            rows: HashMap::new(),
            totals: HashMap::new(),
            waiters: Waiters::default(),
            applied: Position::default(),
        }
    }

    /// Sets what the lane says of redactions, and how far the views have applied it at least.
    pub fn expect(&mut self, redactions: Redactions, applied: Position) {
        self.check.expect(redactions);
        self.applied = applied;
    }

    /// Whether the redacted ones of these events are as is known of the lane.
    pub fn knows_redactions_of<'a>(
        &self,
        events: impl IntoIterator<Item = &'a RecordedEvent>,
    ) -> bool {
        let mut redacted = events.into_iter().filter(|event| event.redacted.is_some());
        redacted.all(|event| self.check.redactions().explain(event))
    }

    /// Whether the views have not met the redaction of this event yet.
    fn is_ahead_of_views(&self, event: &RecordedEvent) -> bool {
        let announced_at = self.check.redactions().announced_at(event.position);
        event.redacted.is_some() && announced_at.is_none_or(|at| at > self.applied)
    }

    /// The number of redacted events in scope.
    pub fn redacted(&self) -> u64 {
        self.check.redacted()
    }

    /// The position of the last event.
    pub fn position(&self) -> Position {
        self.check.position()
    }

    /// The number of events in scope.
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// The events in scope that were skipped.
    pub fn passed_over(&self) -> impl Iterator<Item = Position> + '_ {
        self.passed_over.iter().copied()
    }

    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Verifies the next event and the row of `movements` at its position. Returns the first
    /// difference; the next event is verified against this one as it is.
    pub fn follow(&mut self, fact: &Fact, movement: Option<&MovementRow>) -> Option<Difference> {
        let recorded = &fact.recorded;
        if !self.scope.includes(&recorded.stream) {
            self.check.pass(recorded);
            return None;
        }
        self.checked += 1;
        let is_skipped = self.skipped.contains(&recorded.position);
        if is_skipped {
            self.passed_over.push(recorded.position);
        }
        let lane = self.lane_map.lane_of(&recorded.stream);
        let is_elsewhere = fact.event.is_ok() && lane != self.lane;
        let elsewhere = || {
            let (expected, found) = (format!("lane {lane}"), format!("lane {}", self.lane));
            is_elsewhere.then(|| Difference::new(Kind::Stream, expected, found))
        };
        let violation = self.check.follow(recorded, fact.event.as_ref());
        let difference = violation
            // A skipped event may be one that this binary does not know.
            .filter(|violation| !(is_skipped && violation.rule == Rule::Data))
            .map(Difference::from)
            .or_else(elsewhere);
        let applied = fact.event.as_ref().ok().filter(|_| !is_skipped);
        if let Some(event) = applied
            && !is_elsewhere
            && event.stream() == recorded.stream
        {
            self.expect_row(recorded, event);
            self.waiters.follow(recorded, event);
        }
        let mut expected = applied.and_then(|event| MovementRow::of(recorded, event));
        if let (Some(expected), Some(found)) = (&mut expected, movement)
            && self.is_ahead_of_views(recorded)
        {
            expected.take_reference(found);
        }
        difference
            .or_else(|| compare_movement(expected, movement))
            .map(|difference| difference.at(recorded))
    }

    /// The difference that the log ends before the views do.
    pub fn missing(&self) -> Difference {
        let next = self.position().next();
        Difference::new(Kind::Position, next, "no event").at_event(EventId(self.lane, next))
    }

    /// The difference that the next line of the log is not an event.
    pub fn unreadable(&self, error: &str) -> Difference {
        let next = EventId(self.lane, self.position().next());
        Difference::new(Kind::Data, "an event", error).at_event(next)
    }

    /// Updates the rows that an event changes.
    fn expect_row(&mut self, recorded: &RecordedEvent, event: &Event) {
        let content = match event.about() {
            About::Stock(change) => {
                self.add_to_total(recorded, change.sku, change.delta);
                Content::Figures(change.after.into())
            }
            _ => match self.describe(recorded, event) {
                Some(description) => Content::Description(description),
                None => return,
            },
        };
        let row = Expected {
            version: recorded.version,
            position: recorded.position,
            recorded_at: recorded.recorded_at,
            content,
            is_met: false,
        };
        self.rows.insert(recorded.stream.clone(), row);
    }

    fn add_to_total(&mut self, recorded: &RecordedEvent, sku: &Sku, delta: Figures) {
        let total = self.totals.get(sku);
        let before = match total.map(|total| total.content) {
            Some(Content::Figures(figures)) => figures,
            _ => Totals::default(),
        };
        let total = Expected {
            version: total.map_or(Version::default(), |total| total.version).next(),
            position: recorded.position,
            recorded_at: recorded.recorded_at,
            content: Content::Figures(before.plus(delta)),
            is_met: false,
        };
        self.totals.insert(sku.clone(), total);
    }

    /// The description after an event; none for an item that is retired without one.
    fn describe(&self, recorded: &RecordedEvent, event: &Event) -> Option<Description> {
        let known = match self.rows.get(&recorded.stream).map(|row| row.content) {
            Some(Content::Description(known)) => Some(known),
            _ => None,
        };
        let reorder_point = reorder_point(&event.about()).map_or(0, |(_, point)| point);
        let Some(contents) = contents(event) else {
            return known.map(|known| Description { retired: true, reorder_point, ..known });
        };
        Some(Description {
            digest: digest(&values(contents)),
            described_at: recorded.position,
            made_at: known.map_or(recorded.recorded_at, |known| known.made_at),
            reorder_point,
            // What is described is traded.
            retired: false,
        })
    }
}

/// The contents that an event states of an item, a location, a reservation or a transfer.
fn contents(event: &Event) -> Option<Columns> {
    match event.about() {
        About::Item(item) => Some(item_contents(item)),
        About::Location(location) => Some(location_contents(location)),
        About::Reservation(step) => Some(reservation_contents(&step.after)),
        About::Transfer(step) => Some(transfer_contents(&step.after)),
        // Orders have their own view, which is not compared.
        About::RetiredItem(_)
        | About::Stock(_)
        | About::Order(_)
        | About::Subject(_)
        | About::Redaction(_) => None,
    }
}

fn compare_movement(
    expected: Option<MovementRow>,
    found: Option<&MovementRow>,
) -> Option<Difference> {
    match (expected, found) {
        (None, None) => None,
        (Some(_), None) => Some(Difference::new(Kind::Movement, "a row", "no row")),
        (None, Some(_)) => Some(Difference::new(Kind::Movement, "no row", "a row")),
        (Some(expected), Some(found)) if expected == *found => None,
        (Some(mut expected), Some(found)) => {
            if found.reservation.is_none() {
                // The row may be older than these columns.
                expected = expected.without_reservation();
            }
            let found_values = values(found.columns());
            (expected != *found)
                .then(|| Difference::between(Kind::Movement, &expected.columns(), &found_values))
        }
    }
}

impl Scope {
    fn includes(&self, stream: &Stream) -> bool {
        match (self, stream) {
            (Self::Lane, _) => true,
            (Self::Sku(sku), Stream::Item(of) | Stream::Stock(of, _)) => sku == of,
            (
                Self::Sku(_),
                Stream::Location(_)
                | Stream::Reservation(_)
                | Stream::Transfer(_)
                | Stream::Order(_)
                | Stream::Subject(_)
                | Stream::Redaction(_),
            ) => false,
        }
    }
}
