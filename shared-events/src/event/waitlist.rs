//! The content of events about those who wait for stock.

use serde::{Deserialize, Serialize};

use super::{Cause, Figures};
use crate::reservation::Fill;
use crate::time::Timestamp;
use crate::values::{Label, LocationCode, ReservationId, Sku};

/// A quantity that joins the queue of a stock. Its place follows from its priority, then from the position
/// of this event.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitlistedStock {
    pub sku: Sku,
    pub location: LocationCode,
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// For whom.
    pub owner: Label,
    /// In base units, positive.
    pub quantity: i64,
    /// 0 to 9; the higher is filled first.
    pub priority: u8,
    /// Whether it takes parts.
    pub fill: Fill,
    /// When it stops waiting.
    pub wait_until: Timestamp,
    /// The latest end of a hold that it is filled into: the reservation's own stream may shorten it.
    pub expires_at: Timestamp,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A waiting quantity, or a part of it, that became held.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilledStock {
    pub sku: Sku,
    pub location: LocationCode,
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    /// What of the line still waits.
    pub waiting: i64,
    /// The priority that it waited with.
    pub priority: u8,
    /// When it would have stopped waiting.
    pub wait_until: Timestamp,
    /// The latest end of the hold.
    pub expires_at: Timestamp,
    /// When it became held: the recorded time.
    pub filled_at: Timestamp,
    /// Who waits before it and got nothing: the first hundred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// Since when more could be served than one command does; absent if there is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_due_at: Option<Timestamp>,
    pub after: Figures,
    /// The cause; empty, for the event behind it has its own.
    #[serde(flatten)]
    pub cause: Cause,
}

/// Somebody who waits before another and got nothing.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassedOver {
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// What it waits for, in base units.
    pub waiting: i64,
    /// Why it got nothing.
    pub why: WhyPassedOver,
}

/// Why somebody who waits got nothing.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyPassedOver {
    /// It takes no parts, and less than it lacks was available.
    WholeDoesNotFit,
}

/// A waiting quantity, or a part of it, that waits no more without having been filled.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnqueuedStock {
    pub sku: Sku,
    pub location: LocationCode,
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    /// What of the line still waits.
    pub waiting: i64,
    /// When it stops waiting.
    pub wait_until: Timestamp,
    /// Why it left.
    pub why: WhyLeft,
    /// Since when more could be served than one command does; absent if there is no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_due_at: Option<Timestamp>,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// Why a waiting quantity left without having been filled.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyLeft {
    /// It was released.
    Released,
    /// It had waited as long as it would.
    Ended,
}

/// A waiting quantity with another priority or another end of waiting. It keeps the position that its place
/// follows from.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitChanged {
    pub sku: Sku,
    pub location: LocationCode,
    pub reservation: ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// What waits, in base units.
    pub quantity: i64,
    /// The new priority.
    pub priority: u8,
    /// When it stopped waiting before.
    pub waited_until: Timestamp,
    /// When it stops waiting now.
    pub wait_until: Timestamp,
    /// The latest end of a hold that it is filled into.
    pub expires_at: Timestamp,
    /// The unchanged figures.
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}
