//! Bringing states from the log: cold streams whole, cached ones by the events they have missed.

use futures::TryStreamExt;
use shared_events::event::{DecodeError, Event};
use shared_events::lane::{Lane, Position, Version};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Sku;
use sqlx::postgres::PgRow;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::cache::{Cache, LaneClock};
use super::row::{self, EventRow};
use super::snapshot::{self, Overdue};
use crate::inventory::{Inventory, StreamState};

/// A lane that has more missed events than this is forgotten rather than caught up.
const CATCH_UP_MAX: i64 = 2_000;

/// Why states could not be brought.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    /// The database did not answer, or refused.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The stream holds an event that this binary cannot read, so nothing may be decided on it.
    #[error("{stream} cannot be read: {source}")]
    Unreadable {
        /// The stream.
        stream: Stream,
        /// What is wrong with the event.
        source: DecodeError,
    },
}

/// The head of a lane as read from the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) lane: Lane,
    pub(super) clock: LaneClock,
    /// When its last event was recorded; nothing for an empty lane.
    pub(super) recorded_at: Option<Timestamp>,
}

/// The heads of the given lanes.
async fn heads(connection: &mut PgConnection, lanes: &[Lane]) -> Result<Vec<Head>, LoadError> {
    let rows = sqlx::query(include_str!("../../queries/read_heads.sql"))
        .bind(lane_numbers(lanes))
        .fetch_all(connection)
        .await?;
    Ok(rows.iter().filter_map(|row| head(row).transpose()).collect::<sqlx::Result<_>>()?)
}

/// The head that a row of `read_heads` tells of, if it tells of a lane.
pub(super) fn head(row: &PgRow) -> sqlx::Result<Option<Head>> {
    if row.try_get::<Option<i16>, _>("lane")?.is_none() {
        return Ok(None);
    }
    let clock = match row.try_get::<Option<i64>, _>("position")? {
        None => LaneClock::default(),
        Some(position) => {
            LaneClock { position: Position(position), chain: row::chain(row, "chain")? }
        }
    };
    let recorded_at = row.try_get::<Option<DateTime<Utc>>, _>("recorded_at")?;
    let lane = row::lane(row, "lane")?;
    Ok(Some(Head { lane, clock, recorded_at: recorded_at.map(Timestamp::new) }))
}

/// Lanes as Postgres numbers them.
pub(super) fn lane_numbers(lanes: &[Lane]) -> Vec<i16> {
    lanes.iter().copied().map(row::lane_number).collect()
}

/// Brings the states of streams that the cache does not hold, and puts them there.
///
/// A lane's clock is taken before its streams are read: whatever is appended in between is part of
/// the states and skipped by version when the lane is caught up.
pub(super) async fn cold(
    connection: &mut PgConnection,
    cache: &mut Cache,
    streams: &[Stream],
) -> Result<Inventory, LoadError> {
    let mut unclocked: Vec<Lane> = streams
        .iter()
        .map(|stream| cache.lane_of(stream))
        .filter(|lane| cache.clock(*lane).is_none())
        .collect();
    unclocked.sort_unstable();
    unclocked.dedup();
    if !unclocked.is_empty() {
        let heads = heads(connection, &unclocked).await?;
        for head in heads {
            cache.set_clock(head.lane, head.clock);
        }
    }
    metrics::counter!("stockbook_writer_cold_streams_total").increment(streams.len() as u64);
    let inventory = fold_streams(connection, streams, &mut cache.overdue).await?;
    cache.put_all(inventory.clone());
    Ok(inventory)
}

/// Folds each stream from its snapshot on, or from its beginning.
pub(super) async fn fold_streams(
    connection: &mut PgConnection,
    streams: &[Stream],
    overdue: &mut Overdue,
) -> Result<Inventory, LoadError> {
    let mut inventory = Inventory::default();
    for stream in streams {
        inventory.insert(StreamState::initial(stream));
    }
    snapshot::bring(connection, streams, &mut inventory).await?;
    let names: Vec<String> = streams.iter().map(Stream::to_string).collect();
    let known: Vec<i64> = streams.iter().map(|stream| inventory.version(stream).0).collect();
    let mut rows = sqlx::query(include_str!("../../queries/read_streams.sql"))
        .bind(names)
        .bind(&known)
        .fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let event = Event::from_json(
            row.try_get("type")?,
            row.try_get("schema_version")?,
            row.try_get("data")?,
        );
        let event = event.map_err(|source| unreadable(row.try_get("stream"), source))?;
        if inventory.evolve(&event) != Version(row.try_get("version")?) {
            let stream = event.stream();
            return Err(sqlx::Error::Decode(format!("{stream} has a gap").into()).into());
        }
    }
    for (stream, known) in streams.iter().zip(known) {
        if let Some(state) = inventory.state(stream) {
            overdue.note(&state, state.version().0 - known);
        }
    }
    Ok(inventory)
}

fn unreadable(stream: sqlx::Result<&str>, source: DecodeError) -> LoadError {
    match stream.map(str::parse) {
        Ok(Ok(stream)) => LoadError::Unreadable { stream, source },
        Ok(Err(error)) => LoadError::Database(sqlx::Error::Decode(Box::new(error))),
        Err(error) => LoadError::Database(error),
    }
}

/// The streams of all stock of the given items. Complete only while the items' lanes are locked.
pub(super) async fn stock_streams(
    connection: &mut PgConnection,
    skus: &[Sku],
) -> Result<Vec<Stream>, LoadError> {
    if skus.is_empty() {
        return Ok(Vec::new());
    }
    let skus: Vec<&str> = skus.iter().map(Sku::as_str).collect();
    let names: Vec<String> =
        sqlx::query_scalar(include_str!("../../queries/find_stock_streams.sql"))
            .bind(skus)
            .fetch_all(connection)
            .await?;
    let parse = |name: String| name.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)));
    Ok(names.into_iter().map(parse).collect::<Result<_, _>>()?)
}

/// How a lane stood to the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaughtUp {
    /// The cache knows the lane up to its head.
    Current,
    /// Too much was missed, or nothing was known: the lane starts anew from its head.
    Forgotten,
    /// The log is not the one the cache knows: it went back, or says something else at a known
    /// place. The lane starts anew from its head.
    Forked,
}

/// Brings the cache of one locked lane up to its head.
pub(super) async fn catch_up(
    connection: &mut PgConnection,
    cache: &mut Cache,
    head: &Head,
) -> Result<CaughtUp, LoadError> {
    let Some(known) = cache.clock(head.lane) else {
        cache.set_clock(head.lane, head.clock);
        return Ok(CaughtUp::Forgotten);
    };
    if known == head.clock {
        return Ok(CaughtUp::Current);
    }
    let missed = head.clock.position.0 - known.position.0;
    let caught_up = if missed <= 0 {
        CaughtUp::Forked
    } else {
        follow(connection, cache, head, known, missed).await?
    };
    if caught_up != CaughtUp::Current {
        cache.drop_lane(head.lane);
    }
    cache.set_clock(head.lane, head.clock);
    Ok(caught_up)
}

/// Folds what was missed into the cached states, if the lane still says what is known of it.
async fn follow(
    connection: &mut PgConnection,
    cache: &mut Cache,
    head: &Head,
    known: LaneClock,
    missed: i64,
) -> Result<CaughtUp, LoadError> {
    let first = known.position.max(Position(1));
    let limit = if missed > CATCH_UP_MAX { 1 } else { head.clock.position.0 - first.0 + 1 };
    let rows: Vec<EventRow> = sqlx::query_as(include_str!("../../queries/read_lane.sql"))
        .bind(row::lane_number(head.lane))
        .bind(first.0)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    let at_known = rows.first().map(|EventRow(event)| (event.position, event.chain));
    if known.position.0 > 0 && at_known != Some((known.position, known.chain)) {
        return Ok(CaughtUp::Forked);
    }
    if missed > CATCH_UP_MAX {
        return Ok(CaughtUp::Forgotten);
    }
    let mut inventory = Inventory::default();
    for EventRow(event) in rows.into_iter().filter(|EventRow(row)| row.position > known.position) {
        // What cannot be read is left to the decisions that need it.
        let Ok(fact) = event.event() else {
            return Ok(CaughtUp::Forgotten);
        };
        bring(cache, &mut inventory, &event.stream);
        // Said even where the stream itself was brought after the event: its item may be older.
        if let Stream::Stock(sku, _) = &event.stream {
            inventory.mark_stocked(sku);
        }
        if inventory.version(&event.stream).next() == event.version {
            inventory.evolve(&fact);
        }
    }
    cache.put_all(inventory);
    Ok(CaughtUp::Current)
}

/// Copies what the cache knows of a stream, and of its item, into a working set.
fn bring(cache: &mut Cache, inventory: &mut Inventory, stream: &Stream) {
    let item = match stream {
        Stream::Stock(sku, _) => Some(Stream::Item(sku.clone())),
        Stream::Item(_) | Stream::Location(_) | Stream::Reservation(_) => None,
    };
    for stream in item.iter().chain([stream]) {
        if inventory.version(stream) == Version(0)
            && let Some(state) = cache.get(stream)
        {
            inventory.insert(state.clone());
        }
    }
}
