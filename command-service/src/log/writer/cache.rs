//! What the writer remembers between batches: states of streams, and a head for each lane.
//!
//! Every cached state of a lane is folded up to the lane's known head. A lane without a known head has
//! no cached state.

use std::collections::HashMap;
use std::sync::Arc;

use inventory::{Inventory, StreamState};
use lru::LruCache;
use shared_events::lane::{Lane, LaneMap};
use shared_events::stream::Stream;
use tokio::time::Instant;

use super::policy::OptimisticPolicy;
use crate::log::row::LaneHead;
use crate::log::snapshot::Overdue;
use crate::metrics;

/// All that the writer remembers between batches.
pub(crate) struct Memory {
    pub(crate) cache: Cache,
    /// Streams that need a snapshot.
    pub(crate) overdue: Overdue,
    pub(crate) policy: OptimisticPolicy,
}

impl Memory {
    pub(crate) fn new(lanes: LaneMap, cache_bytes_max: usize) -> Self {
        Self {
            cache: Cache::new(lanes, cache_bytes_max),
            overdue: Overdue::default(),
            policy: OptimisticPolicy::new(Instant::now),
        }
    }
}

/// States of streams. The least recently used ones are evicted when all together take too many bytes.
pub(crate) struct Cache {
    lanes: Arc<LaneMap>,
    heads: HashMap<Lane, LaneHead>,
    states: LruCache<Stream, StreamState>,
    bytes: usize,
    bytes_max: usize,
}

impl Cache {
    pub(crate) fn new(lanes: LaneMap, bytes_max: usize) -> Self {
        Self {
            lanes: Arc::new(lanes),
            heads: HashMap::new(),
            states: LruCache::unbounded(),
            bytes: 0,
            bytes_max,
        }
    }

    pub(crate) fn lanes(&self) -> Arc<LaneMap> {
        Arc::clone(&self.lanes)
    }

    pub(crate) fn lane_of(&self, stream: &Stream) -> Lane {
        self.lanes.lane_of(stream)
    }

    pub(crate) fn head(&self, lane: Lane) -> Option<LaneHead> {
        self.heads.get(&lane).copied()
    }

    pub(crate) fn set_head(&mut self, head: LaneHead) {
        self.heads.insert(head.lane, head);
    }

    pub(crate) fn report(&self) {
        metrics::cached(self.states.len(), self.bytes);
    }

    pub(crate) fn contains(&self, stream: &Stream) -> bool {
        self.states.contains(stream)
    }

    /// The state of a stream, marked as recently used.
    pub(crate) fn get(&mut self, stream: &Stream) -> Option<&StreamState> {
        self.states.get(stream)
    }

    /// Caches the states of a working set, except for unknown locations, reservations, transfers and orders.
    /// A location is read without locking its lane, so its registration would go unnoticed, and callers can
    /// name any number of the others.
    pub(crate) fn put_all(&mut self, inventory: Inventory) {
        for state in inventory.into_states() {
            let stream = state.stream();
            debug_assert!(
                self.heads.contains_key(&self.lane_of(&stream)),
                "the lane of {stream} has no known head"
            );
            if is_unknown(&state) {
                continue;
            }
            self.bytes += size(&state);
            if let Some(old) = self.states.put(stream, state) {
                self.bytes -= size(&old);
            }
        }
        while self.bytes > self.bytes_max {
            let Some((_, evicted)) = self.states.pop_lru() else {
                break;
            };
            self.bytes -= size(&evicted);
        }
    }

    pub(crate) fn drop_lane(&mut self, lane: Lane) {
        self.heads.remove(&lane);
        let streams: Vec<Stream> = self
            .states
            .iter()
            .map(|(stream, _)| stream)
            .filter(|stream| self.lanes.lane_of(stream) == lane)
            .cloned()
            .collect();
        for stream in streams {
            if let Some(dropped) = self.states.pop(&stream) {
                self.bytes -= size(&dropped);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.states.clear();
        self.bytes = 0;
    }
}

/// Whether it is a location, a reservation, a transfer or an order that does not exist.
fn is_unknown(state: &StreamState) -> bool {
    match state {
        StreamState::Location(_, location) => location.details.is_none(),
        StreamState::Reservation(_, reservation) => reservation.details.is_none(),
        StreamState::Transfer(_, transfer) => transfer.details.is_none(),
        StreamState::Order(_, order) => order.details.is_none(),
        StreamState::Item(..)
        | StreamState::Stock(..)
        | StreamState::Subject(..)
        | StreamState::Redaction(..) => false,
    }
}

/// The approximate bytes of a state and its key, including the map's overhead.
fn size(state: &StreamState) -> usize {
    const ENTRY: usize = 320;
    const HOLD: usize = 128;
    const WAITER: usize = 384;
    const LINE: usize = 160;
    match state {
        StreamState::Stock(_, stock) => {
            ENTRY + stock.holds.len() * HOLD + stock.queue.len() * WAITER
        }
        StreamState::Reservation(_, reservation) => {
            ENTRY
                + reservation
                    .details
                    .as_ref()
                    .map_or(0, |details| details.owner.as_str().len() + details.lines.len() * LINE)
        }
        StreamState::Transfer(_, transfer) => {
            ENTRY + transfer.details.as_ref().map_or(0, |details| details.lines.len() * LINE)
        }
        StreamState::Order(_, order) => {
            ENTRY
                + order
                    .details
                    .as_ref()
                    .map_or(0, |details| details.owner.as_str().len() + details.lines.len() * LINE)
        }
        StreamState::Subject(_, subject) => ENTRY + subject.forgotten.len() * HOLD,
        StreamState::Redaction(..) => ENTRY,
        StreamState::Location(_, location) => {
            ENTRY + location.details.as_ref().map_or(0, |details| details.name.len())
        }
        StreamState::Item(_, item) => {
            ENTRY
                + item.details.as_ref().map_or(0, |details| {
                    let metadata = details.context.iter().flat_map(|context| &context.metadata);
                    let metadata: usize =
                        metadata.map(|(name, value)| name.len() + value.len() + 64).sum();
                    details.name.len() + metadata
                })
        }
    }
}

#[cfg(test)]
mod tests {
    use shared_events::event::{Event, Figures, StockReceived};
    use shared_events::time::Timestamp;

    use super::*;

    fn stocked(skus: std::ops::Range<u32>) -> Inventory {
        let mut inventory = Inventory::default();
        for sku in skus {
            let receipt = Event::StockReceived(StockReceived {
                sku: format!("sku-{sku}").parse().unwrap(),
                location: "MAIN".parse().unwrap(),
                quantity: 1,
                after: Figures { on_hand: 1, ..Figures::default() },
                cause: Default::default(),
            });
            inventory.evolve(&receipt, Timestamp::UNIX_EPOCH);
        }
        inventory
    }

    fn stream(sku: u32) -> Stream {
        format!("stock/sku-{sku}/MAIN").parse().unwrap()
    }

    fn cache(bytes_max: usize) -> Cache {
        let mut cache = Cache::new(LaneMap::even(2).unwrap(), bytes_max);
        cache.set_head(LaneHead::empty(Lane(0)));
        cache.set_head(LaneHead::empty(Lane(1)));
        cache
    }

    #[test]
    fn the_least_recently_used_states_are_evicted_first() {
        let mut cache = cache(3_200);
        cache.put_all(stocked(0..8));
        assert!(cache.get(&stream(3)).is_some());
        for sku in 100..109 {
            cache.put_all(stocked(sku..sku + 1));
        }
        assert!(cache.contains(&stream(3)), "it was used after the others");
        assert!(cache.bytes <= 3_200, "{} bytes", cache.bytes);
        assert_eq!(cache.states.len(), 10);
    }

    #[test]
    fn dropping_a_lane_leaves_the_others() {
        let mut cache = cache(1 << 20);
        cache.put_all(stocked(0..100));
        cache.drop_lane(Lane(0));
        assert!(cache.head(Lane(0)).is_none() && cache.head(Lane(1)).is_some());
        for sku in 0..100 {
            let kept = cache.lane_of(&stream(sku)) == Lane(1);
            assert_eq!(cache.contains(&stream(sku)), kept, "sku-{sku}");
        }
        cache.drop_lane(Lane(1));
        assert_eq!(cache.bytes, 0);
    }
}
