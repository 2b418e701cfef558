//! Why a command was refused, with the numbers that refused it.

use serde::{Deserialize, Serialize};
use shared_events::lane::{EventId, Version};
use shared_events::reservation::ReservationStatus;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, ReservationId, Sku};

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
    /// No reservation has this id.
    #[error("no reservation {id} exists")]
    UnknownReservation {
        /// The id that was named.
        id: ReservationId,
    },
    /// The hold's time has come before the command's.
    #[error("the reservation's hold has ended")]
    ReservationExpired {},
    /// The reservation is not in a state in which this can be done.
    #[error("the reservation is {}", status.as_str())]
    ReservationState {
        /// The state it is in.
        status: ReservationStatus,
    },
    /// More is to be released or cancelled than is held or promised.
    #[error("line {} has {} left to let go", part.line, part.possible)]
    OverRelease {
        /// What was asked of which line, and what is possible.
        #[serde(flatten)]
        part: Excess,
    },
    /// More is to be fulfilled than is promised.
    #[error("line {} has {} left to fulfil", part.line, part.possible)]
    OverFulfil {
        /// What was asked of which line, and what is possible.
        #[serde(flatten)]
        part: Excess,
    },
    /// More is to come back than went out.
    #[error("line {} has {} left that can come back", part.line, part.possible)]
    OverReturn {
        /// What was asked of which line, and what is possible.
        #[serde(flatten)]
        part: Excess,
    },
    /// There is no such event, correlation or reversal.
    #[error("nothing is recorded under {id}")]
    UnknownEvent {
        /// What was named.
        id: String,
    },
    /// It was taken back before.
    #[error("it was taken back before")]
    AlreadyReversed {
        /// The events that took it back.
        dependents: Vec<EventId>,
    },
    /// It cannot be taken back by an opposite.
    #[error("it cannot be taken back: {}", why.as_str())]
    NotReversible {
        /// Why not.
        why: Irreversible,
        /// The later events that stand in the way.
        dependents: Vec<EventId>,
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

/// More of a reservation's line than is possible, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excess {
    /// The line, from 1.
    pub line: u32,
    /// What the command's parts name of it together.
    pub asked: i64,
    /// What would be possible.
    pub possible: i64,
}

/// Why something cannot be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Irreversible {
    /// It describes an item or a location, which is described anew instead.
    Description,
    /// It is a step of a reservation, which has commands of its own for the way back.
    Reservation,
    /// What it brought in has moved on.
    MovedOn,
}

impl Irreversible {
    /// The reason in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Description => "it describes an item or a location; describe that anew",
            Self::Reservation => {
                "it is a step of a reservation; extend, release, cancel or return that"
            }
            Self::MovedOn => "what it brought in has moved on",
        }
    }
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
