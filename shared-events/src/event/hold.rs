//! The content of reservation events and of their stock events.

use serde::{Deserialize, Serialize};

use super::{Cause, Figures};
use crate::reservation::{Part, Reservation};
use crate::time::Timestamp;
use crate::values::{Code, LocationCode, OrderId, ReservationId, Sku};

/// A reserved quantity: its hold begins, is released, expires or becomes an allocation.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldStock {
    pub sku: Sku,
    pub location: LocationCode,
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    /// The expiry of the hold.
    pub expires_at: Timestamp,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A hold with a new expiry.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldExtended {
    pub sku: Sku,
    pub location: LocationCode,
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    /// The old expiry.
    pub expired_at: Timestamp,
    /// The new expiry.
    pub expires_at: Timestamp,
    /// The unchanged figures.
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// An allocated quantity: it is cancelled, fulfilled, or returned after that.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocatedStock {
    pub sku: Sku,
    pub location: LocationCode,
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A step in the life of a reservation.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationStep {
    /// The released, cancelled, fulfilled or returned parts; empty for steps of the whole reservation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The reservation after the step.
    pub after: Reservation,
    /// The order that holds the stock, in the events from which an order's reservation begins or is held. Who
    /// takes part in holds by events alone passes such over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderId>,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A step of a reservation that an event of others asked for, and that was not possible. It changes nothing.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRefused {
    /// `confirm` or `release`.
    pub step: Code,
    /// The code of the problem.
    pub code: Code,
    /// The reservation as it is.
    #[serde(flatten)]
    pub of: ReservationStep,
}
