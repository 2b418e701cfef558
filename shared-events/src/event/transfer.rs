//! The content of transfer events and of their stock events.

use serde::{Deserialize, Serialize};

use super::{Cause, Figures};
use crate::reservation::Part;
use crate::transfer::Transfer;
use crate::values::{LocationCode, Sku, TransferId};

/// Stock at the location that a transfer leaves: it is dispatched, or comes back.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentStock {
    pub sku: Sku,
    /// The location it leaves.
    pub location: LocationCode,
    /// The location it goes to.
    pub to: LocationCode,
    pub transfer: TransferId,
    /// Its line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// Stock at the location that a transfer goes to: it is expected, arrives, is lost or goes back.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedStock {
    pub sku: Sku,
    /// The location it goes to.
    pub location: LocationCode,
    /// The location it left.
    pub from: LocationCode,
    pub transfer: TransferId,
    /// Its line, from 1.
    pub line: u32,
    /// In base units, positive.
    pub quantity: i64,
    pub after: Figures,
    #[serde(flatten)]
    pub cause: Cause,
}

/// A step in the life of a transfer.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferStep {
    /// The received, lost or returned parts; empty for a dispatch and for an overdue transfer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// The transfer after the step.
    pub after: Transfer,
    #[serde(flatten)]
    pub cause: Cause,
}

/// The pattern of every event of a transfer, with its step.
#[macro_export]
macro_rules! transfer_events {
    ($step:pat) => {
        $crate::event::Event::TransferDispatched($step)
            | $crate::event::Event::TransferReceived($step)
            | $crate::event::Event::TransferClosed($step)
            | $crate::event::Event::TransferReturned($step)
            | $crate::event::Event::TransferOverdue($step)
    };
}
