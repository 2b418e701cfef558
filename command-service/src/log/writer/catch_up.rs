//! Keeps the writer's memory in step with the log: loads streams that are not cached and applies
//! events that were missed.

use std::collections::BTreeSet;

use inventory::Inventory;
use shared_events::event::Event;
use shared_events::lane::{Lane, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use sqlx::PgConnection;

use super::cache::{Cache, Memory};
use crate::log::load::{LoadError, fold_streams};
use crate::log::row::{EventRow, LaneHead, lane_number};
use crate::metrics;

/// A lane with more missed events than this is dropped from the cache instead of caught up. About as many
/// are read at a time.
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
enum CaughtUp {
    /// The cache has the lane up to its head.
    Current,
    /// The lane was unknown or too far ahead, so it starts empty from its head.
    Dropped,
    /// The log is not the one in the cache: it went back, or has another event at a known position.
    /// The lane starts empty from its head.
    Forked,
}

/// Brings the cached states of lanes up to their heads. Returns the heads of lanes whose log is not the one
/// in the cache.
pub(crate) async fn catch_up(
    connection: &mut PgConnection,
    cache: &mut Cache,
    heads: &[LaneHead],
) -> Result<Vec<LaneHead>, LoadError> {
    let Compared { mut forked, mut behind } = compare(cache, heads);
    while !behind.is_empty() {
        let mut read = 0;
        let fits = |missed: &&Missed| {
            read += missed.count();
            read <= CATCH_UP_MAX + 1
        };
        let group = behind.iter().take_while(fits).count().max(1);
        let group: Vec<Missed> = behind.drain(..group).collect();
        let mut events = read_missed(connection, &group).await?.into_iter().peekable();
        for missed in group {
            let of_lane = std::iter::from_fn(|| {
                events.next_if(|EventRow(event)| event.lane == missed.head.lane)
            });
            forked.extend(missed.apply(cache, of_lane.map(|EventRow(event)| event).collect()));
        }
    }
    Ok(forked)
}

/// How heads of the log compare with those in the cache.
pub(crate) struct Compared {
    /// The lanes whose log went back. They start empty from there.
    pub(crate) forked: Vec<LaneHead>,
    /// In the order of lanes.
    pub(crate) behind: Vec<Missed>,
}

/// Compares the heads of the log with those in the cache, which takes over what needs no reading.
pub(crate) fn compare(cache: &mut Cache, heads: &[LaneHead]) -> Compared {
    let mut compared = Compared { forked: Vec::new(), behind: Vec::new() };
    for head in heads {
        match cache.head(head.lane) {
            None => cache.set_head(*head),
            Some(known) if known == *head => {}
            Some(known) if known.position >= head.position => {
                cache.drop_lane(head.lane);
                cache.set_head(*head);
                compared.forked.push(*head);
            }
            Some(known) => compared.behind.push(Missed { known, head: *head }),
        }
    }
    compared.behind.sort_unstable_by_key(|missed| missed.head.lane);
    compared
}

/// The events of a lane after the known head.
pub(crate) struct Missed {
    known: LaneHead,
    pub(crate) head: LaneHead,
}

impl Missed {
    fn is_too_far(&self) -> bool {
        self.head.position.0 - self.known.position.0 > CATCH_UP_MAX
    }

    /// The first event to read: the known one, if there is one.
    pub(crate) fn first(&self) -> Position {
        self.known.position.max(Position(1))
    }

    /// The number of events to read: only the known one if the lane is too far ahead.
    pub(crate) fn count(&self) -> i64 {
        if self.is_too_far() { 1 } else { self.head.position.0 - self.first().0 + 1 }
    }

    /// Brings the cache to the head of the lane. Returns the head if the log is another one than before.
    pub(crate) fn apply(&self, cache: &mut Cache, events: Vec<RecordedEvent>) -> Option<LaneHead> {
        let caught_up = self.fold(cache, events);
        if caught_up != CaughtUp::Current {
            cache.drop_lane(self.head.lane);
        }
        cache.set_head(self.head);
        (caught_up == CaughtUp::Forked).then_some(self.head)
    }

    /// Folds the events into the cached states, if the lane still has the known event.
    fn fold(&self, cache: &mut Cache, events: Vec<RecordedEvent>) -> CaughtUp {
        let at_known = events.first().map(|event| (event.position, event.chain));
        let known = (self.known.position, self.known.chain);
        if self.known.position.0 > 0 && at_known != Some(known) {
            return CaughtUp::Forked;
        }
        if self.is_too_far() {
            return CaughtUp::Dropped;
        }
        let mut inventory = Inventory::default();
        for recorded in events.into_iter().filter(|event| event.position > self.known.position) {
            // Only decisions that need the unreadable event's stream must fail.
            let Ok(event) = recorded.event() else {
                return CaughtUp::Dropped;
            };
            // A state may have what was removed, and the next event would repeat it.
            if let Event::EventsRedacted(_) = event {
                return CaughtUp::Dropped;
            }
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
        CaughtUp::Current
    }
}

/// Reads missed events of several lanes, in the order of each lane.
async fn read_missed(
    connection: &mut PgConnection,
    missed: &[Missed],
) -> Result<Vec<EventRow>, LoadError> {
    let lanes: Vec<i16> = missed.iter().map(|missed| lane_number(missed.head.lane)).collect();
    let firsts: Vec<i64> = missed.iter().map(|missed| missed.first().0).collect();
    let counts: Vec<i64> = missed.iter().map(Missed::count).collect();
    let rows = sqlx::query_as(include_str!("../../../queries/read_missed.sql"))
        .bind(lanes)
        .bind(firsts)
        .bind(counts)
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// Copies the cached state of a stream, and of its item, into a working set.
fn copy_from_cache(cache: &mut Cache, inventory: &mut Inventory, stream: &Stream) {
    let item = match stream {
        Stream::Stock(sku, _) => Some(Stream::Item(sku.clone())),
        Stream::Item(_)
        | Stream::Location(_)
        | Stream::Reservation(_)
        | Stream::Transfer(_)
        | Stream::Order(_)
        | Stream::Subject(_)
        | Stream::Redaction(_) => None,
    };
    for stream in item.iter().chain([stream]) {
        if inventory.version(stream) == Version(0)
            && let Some(state) = cache.get(stream)
        {
            inventory.insert(state.clone());
        }
    }
}
