//! Whether a value that a point read keeps in memory still equals its row.
//!
//! A value has a slot, by the hash of its key; several share one. A batch marks the slots of all rows that
//! it changes, from before its transaction until the outcome is known, and then they have another stamp.
//! So a value that was read between two equal stamps equals its row while the stamp stays.
//!
//! That holds while nobody else applies the lane. So memory answers only for lanes that are assigned to
//! this instance, only as of what its own runner applied, only while no answer of the database was beyond
//! that, and only for a while after the stored checkpoints were what the runner believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use shared_events::lane::{Lane, Position, PositionToken};
use tokio::time::Instant;

use crate::projection::{SLOTS, Slot};

const LANES_MAX: usize = 1_024;

/// How long the stored checkpoints are believed. They are read every second; another instance takes lanes
/// over after three seconds at the earliest.
const CONFIRMED_MAX: Duration = Duration::from_secs(2);

/// One batch in flight, in the lower half of a stamp; the upper half counts the batches before.
const IN_FLIGHT: u64 = 1;
const DONE: u64 = 1 << 32;

/// What a slot looked like when no batch was in flight there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

/// What is known of one version of a view, by its runner and by queries.
#[derive(Debug)]
pub struct Memory {
    stamps: Box<[AtomicU64]>,
    /// The last position of each lane that the runner applied.
    applied: Box<[AtomicI64]>,
    /// The last position of each lane in any answer of the database.
    seen: Box<[AtomicI64]>,
    began: Instant,
    /// Milliseconds after `began` until which the checkpoints are believed.
    confirmed_until: AtomicU64,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            stamps: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            applied: (0..LANES_MAX).map(|_| AtomicI64::new(0)).collect(),
            seen: (0..LANES_MAX).map(|_| AtomicI64::new(0)).collect(),
            began: Instant::now(),
            confirmed_until: AtomicU64::new(0),
        }
    }
}

/// Marks slots until it is dropped.
#[derive(Debug)]
pub struct InFlight {
    memory: Arc<Memory>,
    slots: Vec<Slot>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        for Slot(slot) in &self.slots {
            self.memory.stamps[*slot].fetch_add(DONE - IN_FLIGHT, Ordering::SeqCst);
        }
    }
}

impl Memory {
    /// Marks the slots of a batch. To be dropped when the outcome of its transaction is known.
    pub fn begin(self: &Arc<Self>, slots: Vec<Slot>) -> InFlight {
        for Slot(slot) in &slots {
            self.stamps[*slot].fetch_add(IN_FLIGHT, Ordering::SeqCst);
        }
        InFlight { memory: Arc::clone(self), slots }
    }

    /// The stamp of a slot, unless a batch is in flight there.
    pub fn stamp(&self, Slot(slot): Slot) -> Option<Stamp> {
        let stamp = self.stamps[slot].load(Ordering::SeqCst);
        stamp.is_multiple_of(DONE).then_some(Stamp(stamp))
    }

    /// Notes what the runner applied.
    pub fn applied(&self, reached: impl IntoIterator<Item = (Lane, Position)>) {
        for (Lane(lane), Position(position)) in reached {
            self.applied[usize::from(lane)].store(position, Ordering::SeqCst);
        }
    }

    /// Notes that the stored checkpoints are what the runner believes.
    pub fn confirm(&self) {
        let until = self.began.elapsed() + CONFIRMED_MAX;
        self.confirmed_until.store(milliseconds(until), Ordering::SeqCst);
    }

    /// Nothing that is kept is used again: somebody else changed the rows, or nobody knows.
    pub fn forget_all(&self) {
        self.confirmed_until.store(0, Ordering::SeqCst);
        for stamp in &self.stamps {
            stamp.fetch_add(DONE, Ordering::SeqCst);
        }
    }

    /// Notes the position of an answer of the database.
    pub fn saw(&self, position: &PositionToken) {
        for (Lane(lane), Position(position)) in position.iter() {
            self.seen[usize::from(lane)].fetch_max(position, Ordering::SeqCst);
        }
    }

    /// As of which position memory may answer for a lane now; `known` is how far anybody applied it.
    /// Ask before the stamp.
    pub fn answers_as_of(&self, Lane(lane): Lane, known: Position) -> Option<Position> {
        let lane = usize::from(lane);
        let is_believed =
            milliseconds(self.began.elapsed()) < self.confirmed_until.load(Ordering::SeqCst);
        let applied = self.applied[lane].load(Ordering::SeqCst);
        let seen = self.seen[lane].load(Ordering::SeqCst).max(known.0);
        (is_believed && applied >= seen).then_some(Position(applied))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Slot = Slot(7);
    const LANE: Lane = Lane(3);

    #[test]
    fn a_slot_has_no_stamp_during_a_batch_and_another_one_after_it() {
        let memory = Arc::new(Memory::default());
        let before = memory.stamp(SLOT);
        assert!(before.is_some());
        let first = memory.begin(vec![SLOT, SLOT]);
        let second = memory.begin(vec![SLOT]);
        assert_eq!(memory.stamp(SLOT), None);
        drop(first);
        assert_eq!(memory.stamp(SLOT), None, "the second is still in flight");
        drop(second);
        assert!(memory.stamp(SLOT).is_some_and(|after| Some(after) != before));
        assert_eq!(memory.stamp(Slot(8)), before, "another slot");
    }

    #[test]
    fn memory_answers_as_of_what_the_runner_applied_and_nobody_was_beyond() {
        let memory = Memory::default();
        memory.applied([(LANE, Position(5))]);
        assert_eq!(memory.answers_as_of(LANE, Position(5)), None, "nothing is confirmed");
        memory.confirm();
        assert_eq!(memory.answers_as_of(LANE, Position(5)), Some(Position(5)));
        assert_eq!(memory.answers_as_of(LANE, Position(6)), None, "another instance applied 6");
        memory.saw(&"3:7".parse().expect("a token"));
        assert_eq!(memory.answers_as_of(LANE, Position(5)), None, "a list reflected 7");
        memory.applied([(LANE, Position(7))]);
        assert_eq!(memory.answers_as_of(LANE, Position(7)), Some(Position(7)));
        let stamp = memory.stamp(SLOT);
        memory.forget_all();
        assert_eq!(memory.answers_as_of(LANE, Position(7)), None);
        assert_ne!(memory.stamp(SLOT), stamp);
    }
}
