//! What a lane of the log proves: each event follows from those before it, and the views' rows follow
//! from the events. PURE.
//!
//! Kept are the figures of each stream and a digest of what is larger, so that memory grows with the
//! number of streams and not with their history.

pub mod difference;
pub mod rows;
mod compare;
mod fold;
#[cfg(test)]
mod case;
#[cfg(test)]
mod spec;
#[cfg(test)]
mod properties;

use std::collections::{BTreeSet, HashMap};

use shared_events::chain::Chain;
use shared_events::event::Figures;
use shared_events::lane::{EventId, Lane, LaneMap, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Sku;

pub use self::compare::{Comparison, describe};
use self::difference::{Difference, Kind};
use self::rows::MovementRow;
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::Fact;

/// What of a lane is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    Lane,
    /// One item and its stock, everywhere. Of other events only the chain is taken, as it stands.
    Sku(Sku),
}

/// One lane, event after event.
#[derive(Debug)]
pub struct LaneProof {
    lane: Lane,
    lane_map: LaneMap,
    scope: Scope,
    /// Events that the views pass over because an operator said so.
    skipped: BTreeSet<Position>,
    /// Those of them that were looked at.
    passed_over: Vec<Position>,
    place: Checkpoint,
    recorded_at: Timestamp,
    checked: u64,
    streams: HashMap<Stream, StreamProof>,
    totals: HashMap<Sku, TotalProof>,
}

/// What is known of a stream after the events so far.
#[derive(Debug, Default)]
struct StreamProof {
    version: Version,
    /// The figures of a stock stream; not known after an event that was skipped unread.
    figures: Option<Figures>,
    /// What the view's row has to say; nothing before the first event that counts.
    row: Option<Standing>,
    /// Whether that row was met.
    is_met: bool,
}

/// A row, as it has to stand after its last event.
#[derive(Debug, Clone, Copy)]
struct Standing {
    version: Version,
    position: Position,
    recorded_at: Timestamp,
    content: Content,
}

#[derive(Debug, Clone, Copy)]
enum Content {
    Figures(Figures),
    Description(Description),
}

/// What describes an item, a location or a reservation, too large to be kept.
#[derive(Debug, Clone, Copy)]
struct Description {
    /// Of its members.
    digest: [u8; 32],
    /// The event that holds them.
    described_at: Position,
    /// When the first event of the stream was recorded.
    made_at: Timestamp,
    /// Of an item.
    reorder_point: i64,
    /// Of an item.
    retired: bool,
}

/// The sum over a sku's stock streams.
#[derive(Debug)]
struct TotalProof {
    figures: Figures,
    events: i64,
    position: Position,
    recorded_at: Timestamp,
    is_met: bool,
}

impl LaneProof {
    /// A proof before the lane's first event.
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
            place: Checkpoint::default(),
            recorded_at: Timestamp::UNIX_EPOCH,
            checked: 0,
            streams: HashMap::new(),
            totals: HashMap::new(),
        }
    }

    /// The last event taken.
    pub fn position(&self) -> Position {
        self.place.position
    }

    /// How many events were looked at.
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// The events looked at that the views have passed over.
    pub fn passed_over(&self) -> impl Iterator<Item = Position> + '_ {
        self.passed_over.iter().copied()
    }

    /// What is looked at.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Takes the lane's next event, with the row of `movements` at its position. Gives the first
    /// thing about it that cannot be; the next event is then compared with this one as it stands.
    pub fn follow(&mut self, fact: &Fact, movement: Option<&MovementRow>) -> Option<Difference> {
        if !self.scope.includes(&fact.recorded.stream) {
            self.place = Checkpoint::after(&fact.recorded);
            self.recorded_at = fact.recorded.recorded_at;
            return None;
        }
        self.checked += 1;
        let linked = self.link(&fact.recorded);
        if self.skipped.contains(&fact.recorded.position) {
            self.passed_over.push(fact.recorded.position);
        }
        let folded = self.fold(fact);
        let moved = self.compare_movement(fact, movement);
        linked.or(folded).or(moved)
    }

    /// The difference that the log ends before the views do.
    pub fn missing(&self) -> Difference {
        let next = self.place.position.next();
        Difference {
            event: Some(EventId(self.lane, next)),
            ..Difference::new(Kind::Position, next, "no event")
        }
    }

    /// The difference that the next line of the log is no event.
    pub fn unreadable(&self, error: &str) -> Difference {
        Difference {
            event: Some(EventId(self.lane, self.place.position.next())),
            ..Difference::new(Kind::Data, "an event", error)
        }
    }

    /// Compares the chain that the views have applied with the log's at the same position.
    pub fn compare_checkpoint(&self, checkpoint: Checkpoint) -> Option<Difference> {
        let Checkpoint { position, chain } = self.place;
        (checkpoint != self.place).then(|| Difference {
            event: Some(EventId(self.lane, position)),
            ..Difference::new(
                Kind::Checkpoint,
                format_args!("{position} with chain {chain}"),
                format_args!("{} with chain {}", checkpoint.position, checkpoint.chain),
            )
        })
    }

    /// Position, chain and time: what each event of the lane owes to the one before it.
    fn link(&mut self, event: &RecordedEvent) -> Option<Difference> {
        let expected = self.place.position.next();
        let chain: Chain = event.chain_after(self.place.chain);
        let earliest = self.recorded_at;
        self.place = Checkpoint::after(event);
        self.recorded_at = event.recorded_at;
        let differs = |kind, expected: &dyn std::fmt::Display, found: &dyn std::fmt::Display| {
            Some(Difference::at(event, Difference::new(kind, expected, found)))
        };
        if event.lane != self.lane || event.position != expected {
            differs(Kind::Position, &EventId(self.lane, expected), &event.id())
        } else if chain != event.chain {
            differs(Kind::Chain, &chain, &event.chain)
        } else if event.recorded_at < earliest {
            differs(Kind::RecordedAt, &format_args!("{earliest} or later"), &event.recorded_at)
        } else {
            None
        }
    }

    fn compare_movement(&self, fact: &Fact, found: Option<&MovementRow>) -> Option<Difference> {
        let event = &fact.recorded;
        let is_skipped = self.skipped.contains(&event.position);
        let expected = match &fact.event {
            Ok(fact) if !is_skipped => MovementRow::of(event, fact),
            _ => None,
        };
        let at = |difference| Some(Difference::at(event, difference));
        match (&expected, found) {
            (None, None) => None,
            (Some(_), None) => at(Difference::new(Kind::Movement, "a row", "no row")),
            (None, Some(_)) => at(Difference::new(Kind::Movement, "no row", "a row")),
            (Some(expected), Some(found)) if expected == found => None,
            (Some(expected), Some(found)) => {
                // A row without a promise may be older than the columns for it.
                let expected = match found.reservation {
                    Some(_) => expected.clone(),
                    None => expected.clone().without_promise(),
                };
                (expected != *found)
                    .then(|| {
                        Difference::between(Kind::Movement, &expected.members(), &found.members())
                    })
                    .and_then(at)
            }
        }
    }
}

impl Scope {
    fn includes(&self, stream: &Stream) -> bool {
        match (self, stream) {
            (Self::Lane, _) => true,
            (Self::Sku(sku), Stream::Item(of) | Stream::Stock(of, _)) => sku == of,
            (Self::Sku(_), Stream::Location(_) | Stream::Reservation(_)) => false,
        }
    }
}
