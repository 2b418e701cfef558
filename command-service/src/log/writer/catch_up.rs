//! Keeps the writer's memory in step with the log: loads streams that are not cached and applies
//! events that were missed.

use std::collections::BTreeSet;

use inventory::Inventory;
use shared_events::lane::{Lane, Position, Version};
use shared_events::stream::Stream;
use sqlx::PgConnection;

use super::cache::{Cache, Memory};
use crate::log::load::{LoadError, fold_streams};
use crate::log::row::{EventRow, LaneHead, lane_number};
use crate::metrics;

/// A lane with more missed events than this is dropped from the cache instead of caught up.
const CATCH_UP_MAX: i64 = 2_000;

/// The states of streams, from the cache or else from the log.
pub(crate) async fn states<'a>(
    connection: &mut PgConnection,
    memory: &mut Memory,
    streams: impl Iterator<Item = &'a Stream>,
) -> Result<Inventory, LoadError> {
    let mut inventory = Inventory::default();
    let mut missing = Vec::new();
    for stream in streams {
        match memory.cache.get(stream) {
            Some(state) => inventory.insert(state.clone()),
            None => missing.push(stream.clone()),
        }
    }
    if !missing.is_empty() {
        for state in load_missing(connection, memory, &missing).await?.into_states() {
            inventory.insert(state);
        }
    }
    Ok(inventory)
}

/// Loads streams from the log into the cache.
///
/// The head of an unknown lane is read before its streams: events that are appended in between are then
/// part of the states, and catching up skips them by their version.
pub(crate) async fn load_missing(
    connection: &mut PgConnection,
    memory: &mut Memory,
    streams: &[Stream],
) -> Result<Inventory, LoadError> {
    let lanes = streams.iter().map(|stream| memory.cache.lane_of(stream)).collect();
    learn_heads(connection, memory, &lanes).await?;
    metrics::streams_loaded(streams.len());
    let inventory = fold_streams(connection, streams, &mut memory.overdue).await?;
    memory.cache.put_all(inventory.clone());
    Ok(inventory)
}

/// Reads the heads of those lanes that the cache does not know.
pub(crate) async fn learn_heads(
    connection: &mut PgConnection,
    memory: &mut Memory,
    lanes: &BTreeSet<Lane>,
) -> Result<(), LoadError> {
    let unknown = lanes.iter().filter(|lane| memory.cache.head(**lane).is_none());
    let unknown: Vec<i16> = unknown.copied().map(lane_number).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let rows = sqlx::query(include_str!("../../../queries/read_heads.sql"))
        .bind(unknown)
        .fetch_all(connection)
        .await?;
    for head in rows.iter().filter_map(LaneHead::found) {
        memory.cache.set_head(head?);
    }
    Ok(())
}

/// How a lane compared with the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CaughtUp {
    /// The cache has the lane up to its head.
    Current,
    /// The lane was unknown or too far ahead, so it starts empty from its head.
    Dropped,
    /// The log is not the one in the cache: it went back, or has another event at a known position.
    /// The lane starts empty from its head.
    Forked,
}

/// Brings the cached states of a lane up to its head.
pub(crate) async fn catch_up(
    connection: &mut PgConnection,
    cache: &mut Cache,
    head: LaneHead,
) -> Result<CaughtUp, LoadError> {
    let Some(known) = cache.head(head.lane) else {
        cache.set_head(head);
        return Ok(CaughtUp::Dropped);
    };
    if known == head {
        return Ok(CaughtUp::Current);
    }
    let missed = head.position.0 - known.position.0;
    let caught_up = if missed <= 0 {
        CaughtUp::Forked
    } else {
        apply_missed(connection, cache, head, known, missed).await?
    };
    if caught_up != CaughtUp::Current {
        cache.drop_lane(head.lane);
    }
    cache.set_head(head);
    Ok(caught_up)
}

/// Folds missed events into the cached states, if the lane still has the known event.
async fn apply_missed(
    connection: &mut PgConnection,
    cache: &mut Cache,
    head: LaneHead,
    known: LaneHead,
    missed: i64,
) -> Result<CaughtUp, LoadError> {
    let first = known.position.max(Position(1));
    let limit = if missed > CATCH_UP_MAX { 1 } else { head.position.0 - first.0 + 1 };
    let rows: Vec<EventRow> = sqlx::query_as(include_str!("../../../queries/read_lane.sql"))
        .bind(lane_number(head.lane))
        .bind(first.0)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    let at_known = rows.first().map(|EventRow(event)| (event.position, event.chain));
    if known.position.0 > 0 && at_known != Some((known.position, known.chain)) {
        return Ok(CaughtUp::Forked);
    }
    if missed > CATCH_UP_MAX {
        return Ok(CaughtUp::Dropped);
    }
    let mut inventory = Inventory::default();
    for EventRow(recorded) in rows.into_iter().filter(|EventRow(row)| row.position > known.position)
    {
        // Only decisions that need the unreadable event's stream must fail.
        let Ok(event) = recorded.event() else {
            return Ok(CaughtUp::Dropped);
        };
        copy_from_cache(cache, &mut inventory, &recorded.stream);
        // Also if the stream was loaded after this event: its cached item may be older.
        if let Stream::Stock(sku, _) = &recorded.stream {
            inventory.mark_stocked(sku);
        }
        if inventory.version(&recorded.stream).next() == recorded.version {
            inventory.evolve(&event, recorded.occurred_at);
        }
    }
    cache.put_all(inventory);
    Ok(CaughtUp::Current)
}

/// Copies the cached state of a stream, and of its item, into a working set.
fn copy_from_cache(cache: &mut Cache, inventory: &mut Inventory, stream: &Stream) {
    let item = match stream {
        Stream::Stock(sku, _) => Some(Stream::Item(sku.clone())),
        Stream::Item(_)
        | Stream::Location(_)
        | Stream::Reservation(_)
        | Stream::Transfer(_)
        | Stream::Order(_) => None,
    };
    for stream in item.iter().chain([stream]) {
        if inventory.version(stream) == Version(0)
            && let Some(state) = cache.get(stream)
        {
            inventory.insert(state.clone());
        }
    }
}
