//! The state of a stream, now or earlier, folded from its events.

use shared_events::lane::{Lane, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;

use super::{HeadsAt, History, LogReader, ReadError};
use crate::inventory::{Inventory, StreamState};

/// Events read from the database, and kept in memory, at a time.
const PAGE_LEN: i64 = 500;

/// How much of a stream is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All that there is now.
    Head,
    /// Up to and with this version; 0 is the state before the first event.
    Version(Version),
    /// What was recorded at or before this moment, settled.
    Moment(Timestamp),
}

impl Until {
    fn takes(self, event: &RecordedEvent) -> bool {
        match self {
            Self::Head => true,
            Self::Version(version) => event.version <= version,
            Self::Moment(moment) => event.recorded_at <= moment,
        }
    }
}

/// A stream's state, or why there is none to tell.
#[derive(Debug)]
pub enum Folded {
    /// After the events asked for.
    State {
        /// The last event's version; 0 if there was none yet.
        version: Version,
        /// The stream's lane.
        lane: Lane,
        /// The last event's position; 0 if there was none yet.
        position: Position,
        /// What is known then.
        state: StreamState,
    },
    /// Nothing was ever recorded in the stream.
    Unknown,
    /// The version asked for is yet to come.
    Beyond {
        /// The last one there is.
        head: Version,
    },
    /// The moment asked for is ahead of the database's clock.
    Ahead {
        /// The clock.
        now: Timestamp,
    },
}

impl LogReader {
    /// Folds a stream. The same version, or the same moment, gives the same answer for ever.
    ///
    /// # Errors
    /// The log cannot be read, holds an event that this binary does not know, or a lane stayed
    /// locked too long.
    pub async fn fold(&self, stream: &Stream, until: Until) -> Result<Folded, ReadError> {
        // 1. Nothing recorded by then may still be on its way.
        if let Until::Moment(moment) = until
            && let HeadsAt::Ahead { now } = self.heads_at(moment).await?
        {
            return Ok(Folded::Ahead { now });
        }
        // 2. Fold event by event, in the pure core.
        let history = History::Stream(stream.clone());
        let mut folding = Folding::new(stream);
        let mut from = Version(1);
        loop {
            let page = self.page(&history, from.0, PAGE_LEN).await?;
            for event in &page {
                if !folding.take(event, until)? {
                    return Ok(folding.end(until));
                }
                from = event.version.next();
            }
            if page.is_empty() {
                return Ok(folding.end(until));
            }
        }
    }
}

struct Folding {
    stream: Stream,
    inventory: Inventory,
    place: Option<(Lane, Position)>,
}

impl Folding {
    fn new(stream: &Stream) -> Self {
        let mut inventory = Inventory::default();
        inventory.insert(StreamState::initial(stream));
        Self { stream: stream.clone(), inventory, place: None }
    }

    /// Folds an event if it is still asked for, and says whether it was.
    fn take(&mut self, event: &RecordedEvent, until: Until) -> Result<bool, ReadError> {
        if !until.takes(event) {
            self.place.get_or_insert((event.lane, Position::default()));
            return Ok(false);
        }
        let fact = event.event();
        let fact =
            fact.map_err(|error| ReadError::Corrupt(sqlx::Error::Decode(Box::new(error))))?;
        self.inventory.evolve(&fact);
        self.place = Some((event.lane, event.position));
        Ok(true)
    }

    fn end(self, until: Until) -> Folded {
        let Self { stream, inventory, place } = self;
        let version = inventory.version(&stream);
        let state = inventory.into_states().find(|state| state.stream() == stream);
        match (place, until) {
            (None, _) => Folded::Unknown,
            (_, Until::Version(asked)) if asked > version => Folded::Beyond { head: version },
            (Some((lane, position)), _) => {
                let state = state.unwrap_or_else(|| StreamState::initial(&stream));
                Folded::State { version, lane, position, state }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_events::event::{Event, Figures, StockReceived};

    use super::*;
    use crate::log::sample::recorded;

    fn stream() -> Stream {
        "stock/A/MAIN".parse().unwrap()
    }

    /// The nth receipt of ten, recorded at second n, at position 2n of lane 3.
    fn receipt(nth: i64) -> RecordedEvent {
        let fact = Event::StockReceived(StockReceived {
            sku: "A".parse().unwrap(),
            location: "MAIN".parse().unwrap(),
            quantity: 10,
            after: Figures { on_hand: nth * 10, ..Figures::default() },
            cause: Default::default(),
        });
        RecordedEvent { position: Position(nth * 2), ..recorded(&fact, nth) }
    }

    /// Version, position and on_hand of a fold of five receipts.
    fn folded(until: Until) -> (i64, i64, i64) {
        let mut folding = Folding::new(&stream());
        for nth in 1..=5 {
            if !folding.take(&receipt(nth), until).unwrap() {
                break;
            }
        }
        match folding.end(until) {
            Folded::State { version, lane, position, state: StreamState::Stock(_, stock) } => {
                assert_eq!((lane, stock.version), (Lane(3), version));
                (version.0, position.0, stock.figures.on_hand)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fold_ends_where_it_is_told_to() {
        assert_eq!(folded(Until::Head), (5, 10, 50));
        assert_eq!(folded(Until::Version(Version(5))), (5, 10, 50));
        assert_eq!(folded(Until::Version(Version(2))), (2, 4, 20));
        assert_eq!(folded(Until::Version(Version(0))), (0, 0, 0));
        let moment = |text: &str| Until::Moment(text.parse().unwrap());
        assert_eq!(folded(moment("2026-01-01T00:00:03Z")), (3, 6, 30));
        assert_eq!(folded(moment("2026-01-01T00:00:03.999999Z")), (3, 6, 30));
        assert_eq!(folded(moment("2025-12-31T00:00:00Z")), (0, 0, 0));
    }

    #[test]
    fn a_version_that_is_yet_to_come_is_told_apart_from_a_stream_without_history() {
        let until = Until::Version(Version(6));
        let mut folding = Folding::new(&stream());
        assert!(matches!(Folding::new(&stream()).end(until), Folded::Unknown));
        assert!(folding.take(&receipt(1), until).unwrap());
        assert!(matches!(folding.end(until), Folded::Beyond { head: Version(1) }));
    }

    #[test]
    fn an_event_that_this_binary_does_not_know_is_not_passed_over() {
        let mut unknown = receipt(1);
        unknown.schema_version = 99;
        let taken = Folding::new(&stream()).take(&unknown, Until::Head);
        assert!(matches!(taken, Err(ReadError::Corrupt(_))), "{taken:?}");
    }
}
