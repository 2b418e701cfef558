//! Why a command was rejected, with the relevant figures.

use serde::{Deserialize, Serialize};
use shared_events::event::Reference;
use shared_events::lane::{EventId, Version};
use shared_events::order::OrderStatus;
use shared_events::reservation::ReservationStatus;
use shared_events::time::Timestamp;
use shared_events::transfer::TransferStatus;
use shared_events::values::{Code, LocationCode, OrderId, ReservationId, Sku, TransferId};

/// Why a command was rejected. Stored with the command's idempotency key, so a released variant must
/// stay readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "rejection", rename_all = "snake_case")]
pub enum Rejection {
    #[error("no item {sku} is registered")]
    UnknownSku { sku: Sku },
    #[error("no location {location} is registered")]
    UnknownLocation { location: LocationCode },
    /// The scale gives stock events their meaning, so it cannot change once there are any.
    #[error("item {sku} has stock history, so its scale cannot change")]
    ItemInUse { sku: Sku },
    #[error(
        "item {sku} still has stock or reservations, or is on its way, so it cannot be retired"
    )]
    ItemHasStock { sku: Sku },
    #[error("item {sku} is retired")]
    ItemRetired { sku: Sku },
    #[error("not enough stock for {} of the lines' items", lines.len())]
    InsufficientStock { lines: Vec<Shortage> },
    #[error("the history is at version {actual}, not at {expected}")]
    VersionConflict { expected: Version, actual: Version },
    /// The caller changes only what exists.
    #[error("there is no history yet, so nothing exists that could be changed")]
    NoHistory {},
    #[error("on_hand is {actual}, not {expected}")]
    StaleQuantity { expected: i64, actual: i64 },
    #[error("no reservation {id} exists")]
    UnknownReservation { id: ReservationId },
    /// The hold expired before the command's time.
    #[error("the hold of the reservation has expired")]
    ReservationExpired {},
    #[error("the reservation is {}", status.as_str())]
    ReservationState { status: ReservationStatus },
    /// The step was done before, but for another document.
    #[error("the reservation is {} already, {}", status.as_str(), for_reference(reference))]
    DoneForAnother {
        status: ReservationStatus,
        /// The recorded reference.
        reference: Option<Reference>,
    },
    #[error("line {} has {} left to release", part.line, part.possible)]
    OverRelease {
        #[serde(flatten)]
        part: Excess,
    },
    #[error("line {} has {} left to fulfil", part.line, part.possible)]
    OverFulfil {
        #[serde(flatten)]
        part: Excess,
    },
    #[error("line {} has {} left to return", part.line, part.possible)]
    OverReturn {
        #[serde(flatten)]
        part: Excess,
    },
    #[error("no transfer {id} exists")]
    UnknownTransfer { id: TransferId },
    #[error("the transfer is {}", status.as_str())]
    TransferState { status: TransferStatus },
    #[error("line {} has {} on its way", part.line, part.possible)]
    OverReceive {
        #[serde(flatten)]
        part: Excess,
    },
    /// A transfer cannot be expected before it begins.
    #[error("expected_at is not later than now, {now}")]
    ExpectedAtPassed {
        /// The log's clock.
        now: Timestamp,
    },
    #[error("no order {id} exists")]
    UnknownOrder { id: OrderId },
    #[error("the order is {}", status.as_str())]
    OrderState { status: OrderStatus },
    #[error("nothing is recorded under {id}")]
    UnknownEvent { id: String },
    #[error("it is already reversed")]
    AlreadyReversed {
        /// The events that reversed it.
        dependents: Vec<EventId>,
    },
    #[error("it cannot be reversed: {}", why.as_str())]
    NotReversible {
        why: Irreversible,
        /// The later events that prevent it.
        dependents: Vec<EventId>,
    },
    /// The goods that it added are there, but promised.
    #[error("the goods that it added are promised")]
    Promised {
        lines: Vec<Shortage>,
        /// The events that made the promises.
        dependents: Vec<EventId>,
    },
    /// A figure would exceed 2^53 − 1, the largest integer that JSON carries exactly.
    #[error("a figure of {sku} at {location} would exceed 9007199254740991")]
    QuantityOverflow { sku: Sku, location: LocationCode },
    #[error("occurred_at is outside {earliest} to {latest}")]
    OccurredAtOutOfRange {
        /// 1970, or the newest change of what the command builds on.
        earliest: Timestamp,
        /// Five minutes ahead of the log's clock.
        latest: Timestamp,
    },
}

impl Rejection {
    /// Its name, which is the code of its problem wherever a process or an event can meet it.
    pub(crate) fn code(&self) -> Code {
        let value = serde_json::to_value(self).expect("a rejection is text and integers");
        let name = value["rejection"].as_str().expect("a rejection has its name");
        name.parse().expect("its name is in snake case")
    }
}

fn for_reference(reference: &Option<Reference>) -> String {
    match reference {
        Some(Reference { kind, id, .. }) => format!("for {kind} {id}"),
        None => "without a reference".to_owned(),
    }
}

/// A part of a reservation or a transfer that exceeds its line, in base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excess {
    /// The line, from 1.
    pub line: u32,
    /// The sum of the command's parts for the line.
    pub asked: i64,
    pub possible: i64,
}

/// Why events cannot be reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Irreversible {
    /// They describe an item or a location; register it again instead.
    Description,
    /// They are steps of a reservation, which has its own commands to undo them.
    Reservation,
    /// They are steps of a transfer, which has its own commands to undo them.
    Transfer,
    /// They are steps of an order, which has its own commands to undo them.
    Order,
    /// The goods that they added are gone.
    MovedOn,
    /// This version of the service cannot read what decides it, or it is too much for one decision.
    Undecidable,
}

impl Irreversible {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Description => "it describes an item or a location; register that again",
            Self::Reservation => {
                "it is a step of a reservation; extend, release, cancel or return that"
            }
            Self::Transfer => "it is a step of a transfer; return or move what it moved",
            Self::Order => "it is a step of an order; cancel that",
            Self::MovedOn => "the goods that it added are gone",
            Self::Undecidable => {
                "this version of the service cannot read what decides it, or it is too much for one decision"
            }
        }
    }
}

/// An item and location without enough stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    pub sku: Sku,
    pub location: LocationCode,
    /// The sum of the command's lines, in base units.
    pub requested: i64,
    pub available: i64,
}
