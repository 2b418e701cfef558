//! What a reservation does to the stock of an item at a location, and to its own history.

use serde::{Deserialize, Serialize};

use super::{Cause, Figures};
use crate::reservation::{Part, Reservation};
use crate::time::Timestamp;
use crate::values::{LocationCode, ReservationId, Sku};

/// A quantity that is held until a moment: it begins, is let go, ends, or becomes a firm promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldStock {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// For which reservation.
    pub reservation: ReservationId,
    /// For which of its lines, from 1.
    pub line: u32,
    /// How much this fact is about, in base units, positive.
    pub quantity: i64,
    /// When the hold ends.
    pub expires_at: Timestamp,
    /// The figures after this fact.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// A hold that ends at another moment than it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldExtended {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// For which reservation.
    pub reservation: ReservationId,
    /// For which of its lines, from 1.
    pub line: u32,
    /// How much is held, in base units, positive.
    pub quantity: i64,
    /// When the hold was to end.
    pub expired_at: Timestamp,
    /// When the hold ends now.
    pub expires_at: Timestamp,
    /// The figures after this fact, which it does not change.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// A quantity that was firmly promised: the promise is taken back or kept, or what was given for it
/// comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromisedStock {
    /// The item.
    pub sku: Sku,
    /// Where.
    pub location: LocationCode,
    /// By which reservation.
    pub reservation: ReservationId,
    /// By which of its lines, from 1.
    pub line: u32,
    /// How much this fact is about, in base units, positive.
    pub quantity: i64,
    /// The figures after this fact.
    pub after: Figures,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}

/// A step in the life of a reservation, with the whole reservation after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationStep {
    /// The parts that were released, cancelled, fulfilled or returned; none where the step is of
    /// the whole reservation by its nature.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The reservation after this fact.
    pub after: Reservation,
    /// Why.
    #[serde(flatten)]
    pub cause: Cause,
}
