//! What the writer remembers between batches: states of streams, and how far it knows each lane.
//!
//! A lane's clock is the position and chain up to which every cached state of the lane is folded.
//! A lane without a clock has no cached state.

use std::collections::HashMap;
use std::sync::Arc;

use lru::LruCache;
use shared_events::chain::Chain;
use shared_events::lane::{Lane, LaneMap, Position};
use shared_events::stream::Stream;

use super::foresight::Foresight;
use super::snapshot::Overdue;
use crate::inventory::{Inventory, StreamState};

/// A place in a lane and the chain there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LaneClock {
    pub(super) position: Position,
    pub(super) chain: Chain,
}

/// How much a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) states: usize,
    pub(super) bytes: usize,
}

/// The least recently used states are forgotten when they outweigh the bound.
pub(super) struct Cache {
    lanes: Arc<LaneMap>,
    clocks: HashMap<Lane, LaneClock>,
    states: LruCache<Stream, StreamState>,
    bytes: usize,
    bytes_max: usize,
    /// Streams whose state should be kept as a snapshot.
    pub(super) overdue: Overdue,
    /// What is expected of the database beside states and heads.
    pub(super) foresight: Foresight,
}

impl Cache {
    pub(super) fn new(lanes: LaneMap, bytes_max: usize) -> Self {
        Self {
            lanes: Arc::new(lanes),
            clocks: HashMap::new(),
            states: LruCache::unbounded(),
            bytes: 0,
            bytes_max,
            overdue: Overdue::default(),
            foresight: Foresight::default(),
        }
    }

    pub(super) fn lanes(&self) -> Arc<LaneMap> {
        Arc::clone(&self.lanes)
    }

    pub(super) fn lane_of(&self, stream: &Stream) -> Lane {
        self.lanes.lane_of(stream)
    }

    pub(super) fn clock(&self, lane: Lane) -> Option<LaneClock> {
        self.clocks.get(&lane).copied()
    }

    pub(super) fn set_clock(&mut self, lane: Lane, clock: LaneClock) {
        self.clocks.insert(lane, clock);
    }

    /// How much is remembered.
    pub(super) fn extent(&self) -> Extent {
        Extent { states: self.states.len(), bytes: self.bytes }
    }

    pub(super) fn contains(&self, stream: &Stream) -> bool {
        self.states.contains(stream)
    }

    /// The state of a stream, which thereby counts as used.
    pub(super) fn get(&mut self, stream: &Stream) -> Option<&StreamState> {
        self.states.get(stream)
    }

    /// Remembers the states of a working set. A location without history is not remembered, for its
    /// lane is read without its lock and nothing would tell when it comes to be; nor a reservation
    /// without, for anybody can ask for any number of ids.
    pub(super) fn put_all(&mut self, inventory: Inventory) {
        for state in inventory.into_states() {
            let stream = state.stream();
            debug_assert!(
                self.clocks.contains_key(&self.lane_of(&stream)),
                "{stream} has no clock"
            );
            if is_unknown(&state) {
                continue;
            }
            self.bytes += weight(&state);
            if let Some(old) = self.states.put(stream, state) {
                self.bytes -= weight(&old);
            }
        }
        while self.bytes > self.bytes_max {
            let Some((_, forgotten)) = self.states.pop_lru() else {
                break;
            };
            self.bytes -= weight(&forgotten);
        }
    }

    /// Forgets everything about a lane.
    pub(super) fn drop_lane(&mut self, lane: Lane) {
        self.clocks.remove(&lane);
        let streams: Vec<Stream> = self
            .states
            .iter()
            .map(|(stream, _)| stream)
            .filter(|stream| self.lanes.lane_of(stream) == lane)
            .cloned()
            .collect();
        for stream in streams {
            if let Some(forgotten) = self.states.pop(&stream) {
                self.bytes -= weight(&forgotten);
            }
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.clocks.clear();
        self.states.clear();
        self.bytes = 0;
    }
}

/// Whether it is a name that stands for nothing yet.
fn is_unknown(state: &StreamState) -> bool {
    match state {
        StreamState::Location(_, location) => location.details.is_none(),
        StreamState::Reservation(_, reservation) => reservation.details.is_none(),
        StreamState::Item(..) | StreamState::Stock(..) => false,
    }
}

/// About how many bytes a state and its key take, map overhead included.
fn weight(state: &StreamState) -> usize {
    const ENTRY: usize = 320;
    const HOLD: usize = 128;
    const LINE: usize = 160;
    match state {
        StreamState::Stock(_, stock) => ENTRY + stock.holds.len() * HOLD,
        StreamState::Reservation(_, reservation) => {
            ENTRY
                + reservation
                    .details
                    .as_ref()
                    .map_or(0, |details| details.owner.as_str().len() + details.lines.len() * LINE)
        }
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

    use super::*;

    fn stocked(skus: std::ops::Range<u32>) -> Inventory {
        let mut inventory = Inventory::default();
        for sku in skus {
            inventory.evolve(&Event::StockReceived(StockReceived {
                sku: format!("sku-{sku}").parse().unwrap(),
                location: "MAIN".parse().unwrap(),
                quantity: 1,
                after: Figures { on_hand: 1, ..Figures::default() },
                cause: Default::default(),
            }));
        }
        inventory
    }

    fn stream(sku: u32) -> Stream {
        format!("stock/sku-{sku}/MAIN").parse().unwrap()
    }

    fn cache(bytes_max: usize) -> Cache {
        let mut cache = Cache::new(LaneMap::even(2).unwrap(), bytes_max);
        cache.set_clock(Lane(0), LaneClock::default());
        cache.set_clock(Lane(1), LaneClock::default());
        cache
    }

    #[test]
    fn the_least_recently_used_states_are_forgotten_first() {
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
        assert!(cache.clock(Lane(0)).is_none() && cache.clock(Lane(1)).is_some());
        for sku in 0..100 {
            let kept = cache.lane_of(&stream(sku)) == Lane(1);
            assert_eq!(cache.contains(&stream(sku)), kept, "sku-{sku}");
        }
        cache.drop_lane(Lane(1));
        assert_eq!(cache.bytes, 0);
    }
}
