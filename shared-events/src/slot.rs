//! Slots: keys are hashed to slots, and slots are assigned to lanes.

use twox_hash::XxHash64;

/// The number of slots. It never changes, so that lanes can be added by moving slots.
pub const SLOTS: u16 = 1024;

/// The slot of a partition key: XXH64 with seed 0 (<https://xxhash.com>), modulo [`SLOTS`].
pub fn slot_of(key: &str) -> u16 {
    let slot = XxHash64::oneshot(0, key.as_bytes()) % u64::from(SLOTS);
    u16::try_from(slot).expect("a remainder of 1024 fits 16 bits")
}
