//! A reservation: stock that is held for somebody until a moment, then promised firmly or let go.

use serde::{Deserialize, Serialize};

use crate::event::Reference;
use crate::time::Timestamp;
use crate::values::{Label, LocationCode, ReservationId, Sku};

/// A reservation as it stands after one of its facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// For whom, as an opaque id.
    pub owner: Label,
    /// Where in its life it is.
    pub status: ReservationStatus,
    /// When the hold ends, or ended. A reservation that was confirmed in time does not end.
    pub expires_at: Timestamp,
    /// The outside document, such as the cart, and from a confirmation on the order if it named one.
    #[serde(default)]
    pub reference: Option<Reference>,
    /// What it is of, numbered from 1.
    pub lines: Vec<ReservationLine>,
}

/// Where in its life a reservation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReservationStatus {
    /// Held until it ends.
    Held,
    /// Promised firmly; nothing or a part of it is fulfilled.
    Confirmed,
    /// Nothing is left to fulfil, and something was fulfilled.
    Fulfilled,
    /// Let go while it was held.
    Released,
    /// Its hold ended by itself.
    Expired,
    /// The promise was taken back before anything of it was fulfilled.
    Cancelled,
}

impl ReservationStatus {
    /// The word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Fulfilled => "fulfilled",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One line of a reservation. All amounts in base units; none is ever negative, and
/// quantity ≥ released + fulfilled, fulfilled ≥ returned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservationLine {
    /// Its number, from 1.
    pub line: u32,
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// What was asked for.
    pub requested: i64,
    /// What was held; less than asked for only by a partial reservation.
    pub quantity: i64,
    /// What of it was given back to available: released, cancelled or expired.
    pub released: i64,
    /// What of it left the stock.
    pub fulfilled: i64,
    /// What of the fulfilled part came back.
    pub returned: i64,
}

impl ReservationLine {
    /// What is still held or promised.
    pub fn open(&self) -> i64 {
        self.quantity - self.released - self.fulfilled
    }

    /// What may still come back.
    pub fn returnable(&self) -> i64 {
        self.fulfilled - self.returned
    }
}

/// A part of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The line, from 1.
    pub line: u32,
    /// How much of it, in base units, positive.
    pub quantity: i64,
}
