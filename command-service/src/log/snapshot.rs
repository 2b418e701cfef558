//! Snapshots: folded states beside the log, so that a long history is not read from its beginning.
//!
//! Disposable. One is believed only where the log has the very event with which it ends, and what
//! it holds is what folding that stream's own events gives, nothing else.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::append::Binding;
use crate::inventory::{FOLD_VERSION, Inventory, StreamState};

/// A state is kept each time its stream has grown by so many events; by twice as many, or four
/// times, where the state itself is as large as that.
const STEP: i64 = 500;

/// Streams that are remembered as overdue; one more is left for its own next step.
const OVERDUE_MAX: usize = 10_000;

/// Puts into the working set, which holds the initial states of the streams, what is known of them
/// without folding: the states that snapshots hold, and which items stock events name.
pub(super) async fn bring(
    connection: &mut PgConnection,
    streams: &[Stream],
    inventory: &mut Inventory,
) -> sqlx::Result<()> {
    let names: Vec<String> = streams.iter().map(Stream::to_string).collect();
    let skus: Vec<Option<&str>> = streams
        .iter()
        .map(|stream| match stream {
            Stream::Item(sku) => Some(sku.as_str()),
            Stream::Location(_) | Stream::Stock(..) | Stream::Reservation(_) => None,
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

/// The state that a row holds; one that cannot be read is as good as none.
fn read(row: &PgRow, stream: &Stream) -> sqlx::Result<Option<StreamState>> {
    let Some(json) = row.try_get::<Option<&str>, _>("state")? else {
        return Ok(None);
    };
    let version: i64 = row.try_get("version")?;
    match serde_json::from_str::<StreamState>(json) {
        Ok(state) if state.stream() == *stream && state.version().0 == version => Ok(Some(state)),
        Ok(state) => {
            let (holds, of) = (state.stream(), state.version());
            tracing::warn!(%stream, version, %holds, %of, "a snapshot is passed over: it is another's");
            Ok(None)
        }
        Err(error) => {
            tracing::warn!(%stream, version, %error, "a snapshot is passed over: it cannot be read");
            Ok(None)
        }
    }
}

/// The states that a batch keeps, by their stream: of those which its events carry over a step, and
/// of those which took long to fold.
pub(super) fn due(
    events: &[Arc<RecordedEvent>],
    overdue: impl IntoIterator<Item = Stream>,
    inventory: &Inventory,
) -> BTreeMap<Stream, StreamState> {
    // Steps are multiples of the smallest one, so few streams need a closer look.
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

/// Events between two snapshots of a stream.
fn step(state: &StreamState) -> i64 {
    let mut step = STEP;
    while step < weight(state) {
        step *= 2;
    }
    step
}

/// About as many events as would take the room of the state.
fn weight(state: &StreamState) -> i64 {
    let parts = match state {
        StreamState::Item(..) | StreamState::Location(..) => 1,
        StreamState::Stock(_, stock) => stock.holds.len(),
        StreamState::Reservation(_, reservation) => {
            reservation.details.as_ref().map_or(0, |details| details.lines.len())
        }
    };
    i64::try_from(parts).unwrap_or(i64::MAX / 2)
}

/// Binds states to be kept: the way of folding, streams, versions, states.
pub(super) fn bind(due: BTreeMap<Stream, StreamState>, statement: Binding) -> Binding {
    let streams: Vec<String> = due.keys().map(Stream::to_string).collect();
    let versions: Vec<i64> = due.values().map(|state| state.version().0).collect();
    let states: Vec<String> = due.into_values().map(to_json).collect();
    statement.bind(FOLD_VERSION).bind(streams).bind(versions).bind(states)
}

/// What the stream's own events say. Whether an item is stocked is a fact of other streams, found
/// out anew each time.
fn to_json(mut state: StreamState) -> String {
    if let StreamState::Item(_, item) = &mut state {
        item.stocked = false;
    }
    serde_json::to_string(&state).expect("a state is text, integers and lists, which JSON can hold")
}

/// Streams that took long to fold because no snapshot was near. The next batch that has one of them
/// locked keeps its state.
#[derive(Debug, Default)]
pub(super) struct Overdue(BTreeSet<Stream>);

impl Overdue {
    /// Notes how many events were folded to get to a state.
    pub(super) fn note(&mut self, state: &StreamState, folded: i64) {
        if folded >= step(state) && self.0.len() < OVERDUE_MAX {
            self.0.insert(state.stream());
        }
    }

    /// Those that are locked now.
    pub(super) fn among(&self, is_locked: impl Fn(&Stream) -> bool) -> Vec<Stream> {
        self.0.iter().filter(|stream| is_locked(stream)).cloned().collect()
    }

    /// Leaves out those whose state is kept now.
    pub(super) fn kept<'a>(&mut self, streams: impl Iterator<Item = &'a Stream>) {
        for stream in streams {
            self.0.remove(stream);
        }
    }
}
