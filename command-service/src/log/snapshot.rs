//! Snapshots: stored states, so that a long history is not folded from its beginning.
//!
//! They are disposable. A snapshot counts only if the log still has the event it ends with, and it
//! holds nothing but the fold of its stream's own events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use inventory::{FOLD_VERSION, Inventory, StreamState};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

/// A stream gets a snapshot each time it has grown by so many events. A state larger than that gets
/// one after twice, four times … as many.
const STEP: i64 = 500;

/// The most streams that are remembered as overdue. Others wait for their next step.
const OVERDUE_MAX: usize = 10_000;

/// Replaces the initial states in the working set by the snapshots of their streams, and marks the items
/// that have stock events.
pub(crate) async fn restore(
    connection: &mut PgConnection,
    streams: &[Stream],
    inventory: &mut Inventory,
) -> sqlx::Result<()> {
    let names: Vec<String> = streams.iter().map(Stream::to_string).collect();
    let skus: Vec<Option<&str>> = streams
        .iter()
        .map(|stream| match stream {
            Stream::Item(sku) => Some(sku.as_str()),
            Stream::Location(_)
            | Stream::Stock(..)
            | Stream::Reservation(_)
            | Stream::Transfer(_)
            | Stream::Order(_)
            | Stream::Subject(_)
            | Stream::Redaction(_) => None,
        })
        .collect();
    let rows = sqlx::query(include_str!("../../queries/find_snapshots.sql"))
        .bind(names)
        .bind(skus)
        .bind(FOLD_VERSION)
        .fetch_all(connection)
        .await?;
    for row in &rows {
        let stream: Stream = row
            .try_get::<&str, _>("stream")?
            .parse()
            .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        if let Some(state) = read(row, &stream)? {
            inventory.insert(state);
        }
        if let Stream::Item(sku) = &stream
            && row.try_get("is_stocked")?
        {
            inventory.mark_stocked(sku);
        }
    }
    Ok(())
}

/// The state in a row. An unreadable snapshot is ignored.
fn read(row: &PgRow, stream: &Stream) -> sqlx::Result<Option<StreamState>> {
    let Some(json) = row.try_get::<Option<&str>, _>("state")? else {
        return Ok(None);
    };
    let version: i64 = row.try_get("version")?;
    match serde_json::from_str::<StreamState>(json) {
        Ok(state) if state.stream() == *stream && state.version().0 == version => Ok(Some(state)),
        Ok(state) => {
            let (holds, of) = (state.stream(), state.version());
            tracing::warn!(%stream, version, %holds, %of, "ignoring a snapshot that belongs to another stream or version");
            Ok(None)
        }
        Err(error) => {
            tracing::warn!(%stream, version, %error, "ignoring an unreadable snapshot");
            Ok(None)
        }
    }
}

/// The snapshots that follow a batch: of streams that its events carry over a step, and of overdue
/// streams.
pub(crate) fn due(
    events: &[Arc<RecordedEvent>],
    overdue: impl IntoIterator<Item = Stream>,
    inventory: &Inventory,
) -> BTreeMap<Stream, StreamState> {
    // Every step is a multiple of STEP, so the exact step is needed for few streams only.
    let stepping = events.iter().filter(|event| event.version.0 % STEP == 0).filter_map(|event| {
        let state = inventory.state(&event.stream)?;
        (event.version.0 % step(&state) == 0).then(|| (event.stream.clone(), state))
    });
    let overdue = overdue.into_iter().filter_map(|stream| {
        let state = inventory.state(&stream)?;
        Some((stream, state))
    });
    stepping.chain(overdue).filter(|(_, state)| state.version().0 > 0).collect()
}

/// The number of events between two snapshots of a stream.
fn step(state: &StreamState) -> i64 {
    let mut step = STEP;
    while step < size(state) {
        step *= 2;
    }
    step
}

/// The size of the state, in events of about the same size.
fn size(state: &StreamState) -> i64 {
    let parts = match state {
        StreamState::Item(..)
        | StreamState::Location(..)
        | StreamState::Subject(..)
        | StreamState::Redaction(..) => 1,
        StreamState::Stock(_, stock) => stock.holds.len() + stock.queue.len(),
        StreamState::Reservation(_, reservation) => {
            reservation.details.as_ref().map_or(0, |details| details.lines.len())
        }
        StreamState::Transfer(_, transfer) => {
            transfer.details.as_ref().map_or(0, |details| details.lines.len())
        }
        StreamState::Order(_, order) => {
            order.details.as_ref().map_or(0, |details| details.lines.len())
        }
    };
    i64::try_from(parts).unwrap_or(i64::MAX / 2)
}

/// Saves snapshots of states that are in the log.
pub(crate) async fn save(
    connection: &mut PgConnection,
    due: &BTreeMap<Stream, StreamState>,
) -> sqlx::Result<()> {
    let streams: Vec<String> = due.keys().map(Stream::to_string).collect();
    let versions: Vec<i64> = due.values().map(|state| state.version().0).collect();
    let states: Vec<String> = due.values().cloned().map(to_json).collect();
    sqlx::query(include_str!("../../queries/save_snapshots.sql"))
        .bind(FOLD_VERSION)
        .bind(streams)
        .bind(versions)
        .bind(states)
        .execute(connection)
        .await?;
    Ok(())
}

/// Without `stocked`, which depends on other streams and is read again each time.
fn to_json(mut state: StreamState) -> String {
    if let StreamState::Item(_, item) = &mut state {
        item.stocked = false;
    }
    serde_json::to_string(&state).expect("a state is text, integers and lists, which JSON can hold")
}

/// Streams that took long to fold for lack of a recent snapshot. The next batch that needs one of them
/// saves its snapshot.
#[derive(Debug, Default)]
pub(crate) struct Overdue(BTreeSet<Stream>);

impl Overdue {
    /// Adds the stream if getting to its state took too many events.
    pub(crate) fn note(&mut self, state: &StreamState, folded: i64) {
        if folded >= step(state) && self.0.len() < OVERDUE_MAX {
            self.0.insert(state.stream());
        }
    }

    pub(crate) fn among(&self, is_needed: impl Fn(&Stream) -> bool) -> Vec<Stream> {
        self.0.iter().filter(|stream| is_needed(stream)).cloned().collect()
    }

    pub(crate) fn remove<'a>(&mut self, streams: impl Iterator<Item = &'a Stream>) {
        for stream in streams {
            self.0.remove(stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_events::event::{Event, Figures, HeldStock, StockReceived};
    use shared_events::time::Timestamp;

    use super::*;
    use crate::log::sample::recorded;

    fn stream() -> Stream {
        "stock/A/MAIN".parse().unwrap()
    }

    fn receipt() -> Event {
        Event::StockReceived(StockReceived {
            sku: "A".parse().unwrap(),
            location: "MAIN".parse().unwrap(),
            quantity: 1,
            after: Figures { on_hand: 1, ..Figures::default() },
            cause: Default::default(),
        })
    }

    fn hold(line: u32) -> Event {
        Event::StockReserved(HeldStock {
            sku: "A".parse().unwrap(),
            location: "MAIN".parse().unwrap(),
            reservation: "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().unwrap(),
            line,
            quantity: 1,
            expires_at: Timestamp::UNIX_EPOCH,
            after: Figures::default(),
            cause: Default::default(),
        })
    }

    /// Folds a number of events and returns the last `batch` of them, with the state.
    fn grown(
        events: i64,
        batch: i64,
        make: impl Fn(i64) -> Event,
    ) -> (Vec<Arc<RecordedEvent>>, Inventory) {
        let mut inventory = Inventory::default();
        let mut last = Vec::new();
        for version in 1..=events {
            let event = make(version);
            inventory.evolve(&event, Timestamp::UNIX_EPOCH);
            if version > events - batch {
                last.push(Arc::new(recorded(&event, version)));
            }
        }
        (last, inventory)
    }

    /// The version of the snapshot that the last batch saves, if it saves one.
    fn snapshot_version(events: i64, batch: i64, make: impl Fn(i64) -> Event) -> Option<i64> {
        let (events, inventory) = grown(events, batch, make);
        due(&events, [], &inventory).get(&stream()).map(|state| state.version().0)
    }

    #[test]
    fn the_batch_that_crosses_a_step_saves_a_snapshot_as_of_its_last_event() {
        let receipts = |_| receipt();
        assert_eq!(snapshot_version(499, 499, receipts), None);
        assert_eq!(snapshot_version(500, 1, receipts), Some(500));
        assert_eq!(snapshot_version(503, 10, receipts), Some(503));
        assert_eq!(
            snapshot_version(503, 3, receipts),
            None,
            "the step was crossed before the batch"
        );
        assert_eq!(snapshot_version(1_000, 1, receipts), Some(1_000));
    }

    #[test]
    fn a_large_state_gets_fewer_snapshots() {
        let holds = |version| hold(u32::try_from(version).unwrap());
        assert_eq!(snapshot_version(500, 1, holds), Some(500));
        assert_eq!(snapshot_version(1_500, 1, holds), None, "1,500 holds count like 2,000 events");
        assert_eq!(snapshot_version(2_000, 1, holds), Some(2_000));
    }

    #[test]
    fn the_next_batch_that_needs_an_overdue_stream_saves_its_snapshot() {
        let (_, inventory) = grown(700, 0, |_| receipt());
        let state = inventory.state(&stream()).unwrap();
        let mut overdue = Overdue::default();
        overdue.note(&state, 499);
        assert!(overdue.among(|_| true).is_empty());
        overdue.note(&state, 500);
        assert!(overdue.among(|_| false).is_empty());
        let needed = overdue.among(|stream| *stream == self::stream());
        let due = due(&[], needed, &inventory);
        assert_eq!(due.get(&stream()), Some(&state));
        overdue.remove(due.keys());
        assert!(overdue.among(|_| true).is_empty());
    }

    #[test]
    fn a_state_reads_back_and_an_item_without_stocked() {
        let (_, inventory) = grown(3, 0, |line| hold(u32::try_from(line).unwrap()));
        let state = inventory.state(&stream()).unwrap();
        assert_eq!(serde_json::from_str::<StreamState>(&to_json(state.clone())).unwrap(), state);

        let item: Stream = "item/A".parse().unwrap();
        let mut inventory = Inventory::default();
        inventory.insert(StreamState::initial(&item));
        let before = to_json(inventory.state(&item).unwrap());
        inventory.mark_stocked(&"A".parse().unwrap());
        assert_eq!(to_json(inventory.state(&item).unwrap()), before);
    }
}
