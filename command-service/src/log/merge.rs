//! All lanes in one order: by time recorded, then lane, then position.
//!
//! In each lane that is the order of positions, for its time never runs back, so merging the lanes
//! keeps every lane's own order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use shared_events::lane::{Lane, Position};
use shared_events::time::Timestamp;

/// Where an event stands, in the order of all lanes together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) recorded_at: Timestamp,
    pub(super) lane: Lane,
    pub(super) position: Position,
}

/// A part of a lane that is still to be read: what follows `after`, up to and with `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) lane: Lane,
    pub(super) after: Position,
    pub(super) up_to: Position,
}

/// Merges stretches of lanes, whose places are brought bit by bit.
#[derive(Debug)]
pub(super) struct Merge {
    lanes: BTreeMap<Lane, Reading>,
    /// The next place of every lane that has one here.
    next: BinaryHeap<Reverse<Place>>,
    /// Lanes of which nothing is here although there is more: the order cannot go on without them.
    dry: usize,
    merged: Vec<Place>,
    limit: usize,
}

#[derive(Debug)]
struct Reading {
    /// What is not here yet.
    left: Stretch,
    here: VecDeque<Place>,
}

impl Merge {
    /// Of stretches of different lanes, the first `limit` places.
    pub(super) fn new(stretches: impl IntoIterator<Item = Stretch>, limit: usize) -> Self {
        let lanes: BTreeMap<Lane, Reading> = stretches
            .into_iter()
            .filter(|stretch| stretch.after < stretch.up_to)
            .map(|left| (left.lane, Reading { left, here: VecDeque::new() }))
            .collect();
        let dry = lanes.len();
        Self { lanes, next: BinaryHeap::new(), dry, merged: Vec::new(), limit }
    }

    /// What must be brought before the order can go on; empty when it is complete.
    pub(super) fn wanted(&self) -> Vec<Stretch> {
        if self.merged.len() == self.limit {
            return Vec::new();
        }
        let dry = self.lanes.values().filter(|reading| reading.is_dry());
        dry.map(|reading| reading.left).collect()
    }

    /// Takes the places brought, the first of each wanted stretch, and merges what can be.
    pub(super) fn bring(&mut self, places: impl IntoIterator<Item = Place>) {
        for place in places {
            if let Some(reading) = self.lanes.get_mut(&place.lane) {
                if reading.is_dry() {
                    self.dry -= 1;
                    self.next.push(Reverse(place));
                }
                reading.left.after = place.position;
                reading.here.push_back(place);
            }
        }
        while self.dry == 0
            && self.merged.len() < self.limit
            && let Some(Reverse(place)) = self.next.pop()
        {
            self.merged.push(place);
            if let Some(reading) = self.lanes.get_mut(&place.lane) {
                reading.here.pop_front();
                self.next.extend(reading.here.front().copied().map(Reverse));
                self.dry += usize::from(reading.is_dry());
            }
        }
    }

    /// The places in order.
    pub(super) fn into_places(self) -> Vec<Place> {
        self.merged
    }
}

impl Reading {
    /// Whether nothing of the lane is here although there is more.
    fn is_dry(&self) -> bool {
        self.here.is_empty() && self.left.after < self.left.up_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(lane: u16, position: i64, second: i64) -> Place {
        let recorded_at = format!("2026-01-01T00:00:{second:02}Z").parse().unwrap();
        Place { recorded_at, lane: Lane(lane), position: Position(position) }
    }

    /// Two busy lanes, one that begins late, and times that meet.
    fn lanes() -> Vec<Vec<Place>> {
        vec![
            (1..=20).map(|nth| place(0, nth, nth)).collect(),
            (1..=20).map(|nth| place(1, nth, nth / 2)).collect(),
            (1..=3).map(|nth| place(2, nth, 15)).collect(),
        ]
    }

    /// Merges with at most `bit` places of a lane brought at a time.
    fn merged(after: i64, limit: usize, bit: usize) -> Vec<Place> {
        let lanes = lanes();
        let stretches = lanes.iter().map(|places| Stretch {
            lane: places[0].lane,
            after: Position(after),
            up_to: places[places.len() - 1].position,
        });
        let mut merge = Merge::new(stretches, limit);
        loop {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                return merge.into_places();
            }
            merge.bring(wanted.into_iter().flat_map(|stretch| {
                let places = lanes[usize::from(stretch.lane.0)].iter().copied();
                places.filter(move |place| place.position > stretch.after).take(bit)
            }));
        }
    }

    #[test]
    fn however_it_is_brought_the_order_is_that_of_time_then_lane_then_position() {
        let mut expected: Vec<Place> = lanes().into_iter().flatten().collect();
        expected.sort();
        for bit in [1, 2, 7, 100] {
            assert_eq!(merged(0, 1_000, bit), expected, "{bit} at a time");
            for limit in [1, 10, 42] {
                assert_eq!(merged(0, limit, bit), expected[..limit], "{bit} at a time");
            }
        }
    }

    #[test]
    fn a_lane_that_was_read_before_begins_after_that() {
        let places = merged(3, 1_000, 4);
        assert_eq!(places.len(), 34);
        assert!(places.iter().all(|place| place.position > Position(3)));
    }

    #[test]
    fn nothing_is_wanted_of_lanes_that_are_at_their_end() {
        let end = Stretch { lane: Lane(0), after: Position(7), up_to: Position(7) };
        let beyond = Stretch { lane: Lane(1), after: Position(9), up_to: Position(7) };
        let merge = Merge::new([end, beyond], 10);
        assert!(merge.wanted().is_empty() && merge.into_places().is_empty());
    }
}
