//! Why a command was refused, with the numbers that refused it.

use serde::{Deserialize, Serialize};
use shared_events::lane::Version;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};

/// The fact that refused a command. Stored with the command's key, so the shape of a variant that
/// has been released stays readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "rejection", rename_all = "snake_case")]
pub enum Rejection {
    /// No item has this sku.
    #[error("no item {sku} is registered")]
    UnknownSku {
        /// The sku that was named.
        sku: Sku,
    },
    /// No location has this code.
    #[error("no location {location} is registered")]
    UnknownLocation {
        /// The code that was named.
        location: LocationCode,
    },
    /// The item's scale gives its stock events their meaning, so it stays once there are any.
    #[error("item {sku} has stock history, so its scale cannot change")]
    ItemInUse {
        /// The item.
        sku: Sku,
    },
    /// The item cannot be retired while something of it is left.
    #[error("something of item {sku} is left, so it cannot be retired")]
    ItemHasStock {
        /// The item.
        sku: Sku,
    },
    /// The item is not traded any more.
    #[error("item {sku} is retired")]
    ItemRetired {
        /// The item.
        sku: Sku,
    },
    /// More is asked than may be taken.
    #[error("not enough stock for {} of the lines' items", lines.len())]
    InsufficientStock {
        /// Every item and location that is short.
        lines: Vec<Shortage>,
    },
    /// The stream is not where the caller believes it to be.
    #[error("the history is at version {actual}, not at {expected}")]
    VersionConflict {
        /// What the caller expects.
        expected: Version,
        /// What it is.
        actual: Version,
    },
    /// The quantity is not what the caller believes it to be.
    #[error("on_hand is {actual}, not {expected}")]
    StaleQuantity {
        /// What the caller expects.
        expected: i64,
        /// What it is.
        actual: i64,
    },
    /// A figure would pass 2^53 − 1.
    #[error("on_hand of {sku} at {location} would pass 9007199254740991")]
    QuantityOverflow {
        /// The item.
        sku: Sku,
        /// Where.
        location: LocationCode,
    },
    /// The time it is said to have happened is not a plausible one.
    #[error("occurred_at is outside {earliest} to {latest}")]
    OccurredAtOutOfRange {
        /// The earliest that is accepted.
        earliest: Timestamp,
        /// The latest that is accepted, five minutes ahead of the log's clock.
        latest: Timestamp,
    },
}

/// An item and location of which more was asked than may be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// What the command's lines take together, in base units.
    pub requested: i64,
    /// What may be taken.
    pub available: i64,
}
