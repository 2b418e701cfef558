//! Reservations: stock that is held for an owner until an expiry time, then allocated or released.

use serde::{Deserialize, Serialize};

use crate::reference::Reference;
use crate::time::Timestamp;
use crate::values::{Label, LocationCode, ReservationId, Sku};
use crate::words::words;

/// A reservation after one of its events.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    pub id: ReservationId,
    /// The opaque id of the owner.
    pub owner: Label,
    pub status: ReservationStatus,
    /// The expiry of the hold. A confirmed reservation does not expire: see [`ReservationStatus::has_expiry`].
    /// While the reservation waits, it is the latest that its hold can end: so long after `wait_until` as a
    /// hold lasts.
    pub expires_at: Timestamp,
    /// When it stops, or would have stopped, waiting; absent if it never waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_until: Option<Timestamp>,
    /// The priority that it waits, or waited, with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// The external document, such as the cart; a confirmation may replace it, such as by the order.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// Numbered from 1.
    pub lines: Vec<ReservationLine>,
}

impl Reservation {
    /// When it ends by itself: at the end of the hold, or of waiting.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self.status {
            ReservationStatus::Waiting => self.wait_until,
            ReservationStatus::Held => Some(self.expires_at),
            ReservationStatus::Confirmed
            | ReservationStatus::Fulfilled
            | ReservationStatus::Released
            | ReservationStatus::Expired
            | ReservationStatus::Cancelled => None,
        }
    }
}

words! {
    /// How a line that waits is filled.
    pub enum Fill {
        /// With whatever is there.
        Parts = "parts",
        /// With all that it lacks, or nothing.
        Whole = "whole",
    }
}

words! {
    /// The status of a reservation.
    pub enum ReservationStatus {
        /// A line waits for stock.
        Waiting = "waiting",
        /// Held until it expires.
        Held = "held",
        /// Allocated; not or partly fulfilled.
        Confirmed = "confirmed",
        /// Nothing is left to fulfil, and at least a part was fulfilled.
        Fulfilled = "fulfilled",
        /// Released while it was held.
        Released = "released",
        /// The hold expired.
        Expired = "expired",
        /// Cancelled after the confirmation, before any part was fulfilled.
        Cancelled = "cancelled",
    }
}

impl ReservationStatus {
    /// Whether the hold ends, or ended, at the reservation's expiry. A promise does not.
    pub fn has_expiry(self) -> bool {
        match self {
            Self::Held | Self::Released | Self::Expired => true,
            Self::Waiting | Self::Confirmed | Self::Fulfilled | Self::Cancelled => false,
        }
    }
}

/// One line of a reservation. All amounts in base units; none is ever negative, and
/// quantity ≥ released + fulfilled, fulfilled ≥ returned.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservationLine {
    /// Its number, from 1.
    pub line: u32,
    pub sku: Sku,
    pub location: LocationCode,
    /// The requested quantity.
    pub requested: i64,
    /// The held quantity; less than requested only in a partial reservation, or in one that waits or waited.
    pub quantity: i64,
    /// The quantity that waits. Absent means none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub waiting: i64,
    /// The part that became available again: released, cancelled or expired.
    pub released: i64,
    /// The part that was fulfilled and left the stock.
    pub fulfilled: i64,
    /// The fulfilled part that was returned.
    pub returned: i64,
}

fn is_none(amount: &i64) -> bool {
    *amount == 0
}

impl ReservationLine {
    /// The quantity that is still held or allocated.
    pub fn open(&self) -> i64 {
        self.quantity - self.released - self.fulfilled
    }

    /// The quantity that can be released: what is held or waits.
    pub fn releasable(&self) -> i64 {
        self.open() + self.waiting
    }

    /// The quantity that can still be returned.
    pub fn returnable(&self) -> i64 {
        self.fulfilled - self.returned
    }
}

/// A part of a reservation or of a transfer.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
}
