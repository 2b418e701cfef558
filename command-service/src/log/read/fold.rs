//! The present or an earlier state of a stream, folded from its events.

use inventory::{Inventory, StreamState};
use shared_events::lane::{Lane, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;

use super::{HeadsAt, History, LogReader, ReadError};
use crate::log::snapshot;

/// Events read at a time.
const PAGE_LEN: i64 = 500;

/// How far to fold a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    Head,
    /// Up to and including this version; 0 is the state before the first event.
    Version(Version),
    /// Events recorded at or before this moment.
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

#[derive(Debug)]
pub enum Folded {
    /// Version and position are those of the last folded event, or 0.
    State { version: Version, lane: Lane, position: Position, state: StreamState },
    /// The stream has no events.
    Unknown,
    /// The version is beyond the stream's head.
    Beyond { head: Version },
    /// The moment is ahead of the database's clock `now`.
    Ahead { now: Timestamp },
}

impl LogReader {
    /// Folds a stream, from its snapshot on if that is not beyond the limit. The same version or moment always gets
    /// the same answer. Fails on an event that this binary cannot read, or if a lane stays locked too long.
    pub async fn fold(&self, stream: &Stream, until: Until) -> Result<Folded, ReadError> {
        let snapshot = self.snapshot(stream, until).await?;
        self.fold_from(Folding::new(stream, snapshot), until).await
    }

    /// Folds a stream from its first event on: what snapshots are compared with.
    pub async fn fold_all(&self, stream: &Stream, until: Until) -> Result<Folded, ReadError> {
        self.fold_from(Folding::new(stream, None), until).await
    }

    async fn fold_from(&self, mut folding: Folding, until: Until) -> Result<Folded, ReadError> {
        // 1. Wait until no event at or before the moment can still follow.
        if let Until::Moment(moment) = until
            && let HeadsAt::Ahead { now } = self.heads_at(moment).await?
        {
            return Ok(Folded::Ahead { now });
        }
        // 2. Fold event by event.
        let history = History::Stream(folding.stream.clone());
        let mut from = folding.version().max(Version(1));
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

    /// The snapshot that a fold may begin with. When it was recorded is not known, so a moment has none; neither has
    /// an item, whose snapshot says more than its own events do.
    async fn snapshot(
        &self,
        stream: &Stream,
        until: Until,
    ) -> Result<Option<StreamState>, ReadError> {
        let last = match until {
            Until::Head => None,
            Until::Version(version) => Some(version),
            Until::Moment(_) => return Ok(None),
        };
        if let Stream::Item(_) = stream {
            return Ok(None);
        }
        let mut restored = Inventory::default();
        let mut connection = self.pool.acquire().await?;
        snapshot::restore(&mut connection, std::slice::from_ref(stream), &mut restored).await?;
        let state = restored.state(stream).filter(|state| state.version().0 > 0);
        Ok(state.filter(|state| last.is_none_or(|last| state.version() <= last)))
    }
}

struct Folding {
    stream: Stream,
    inventory: Inventory,
    reached: Option<(Lane, Position)>,
}

impl Folding {
    fn new(stream: &Stream, snapshot: Option<StreamState>) -> Self {
        let mut inventory = Inventory::default();
        inventory.insert(snapshot.unwrap_or_else(|| StreamState::initial(stream)));
        Self { stream: stream.clone(), inventory, reached: None }
    }

    /// Folds an event if it is within the limit, and returns whether it was.
    fn take(&mut self, event: &RecordedEvent, until: Until) -> Result<bool, ReadError> {
        if !until.takes(event) {
            self.reached.get_or_insert((event.lane, Position::default()));
            return Ok(false);
        }
        self.reached = Some((event.lane, event.position));
        // The last one of the snapshot.
        if event.version <= self.version() {
            return Ok(true);
        }
        let fact = event.event();
        let fact =
            fact.map_err(|error| ReadError::Corrupt(sqlx::Error::Decode(Box::new(error))))?;
        self.inventory.evolve(&fact, event.occurred_at);
        Ok(true)
    }

    fn version(&self) -> Version {
        self.inventory.version(&self.stream)
    }

    fn end(self, until: Until) -> Folded {
        let Self { stream, inventory, reached } = self;
        let version = inventory.version(&stream);
        let state = inventory.into_states().find(|state| state.stream() == stream);
        match (reached, until) {
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
        let mut folding = Folding::new(&stream(), None);
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
    fn a_fold_ends_at_its_limit() {
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
    fn a_fold_that_begins_with_a_snapshot_ends_as_one_from_the_first_event() {
        let until = Until::Version(Version(4));
        let mut all = Folding::new(&stream(), None);
        for nth in 1..=3 {
            all.take(&receipt(nth), until).unwrap();
        }
        let snapshot = all.inventory.state(&stream());
        for last in [3, 4, 5] {
            let mut folding = Folding::new(&stream(), snapshot.clone());
            let mut all = Folding::new(&stream(), None);
            for nth in 1..=last {
                let taken = all.take(&receipt(nth), until).unwrap();
                if nth >= 3 {
                    assert_eq!(folding.take(&receipt(nth), until).unwrap(), taken);
                }
            }
            assert_eq!(format!("{:?}", folding.end(until)), format!("{:?}", all.end(until)));
        }
    }

    #[test]
    fn a_future_version_differs_from_a_stream_without_events() {
        let until = Until::Version(Version(6));
        let mut folding = Folding::new(&stream(), None);
        assert!(matches!(Folding::new(&stream(), None).end(until), Folded::Unknown));
        assert!(folding.take(&receipt(1), until).unwrap());
        assert!(matches!(folding.end(until), Folded::Beyond { head: Version(1) }));
    }

    #[test]
    fn an_unreadable_event_is_not_skipped() {
        let mut unknown = receipt(1);
        unknown.schema_version = 99;
        let taken = Folding::new(&stream(), None).take(&unknown, Until::Head);
        assert!(matches!(taken, Err(ReadError::Corrupt(_))), "{taken:?}");
    }
}
