//! Transfers: goods on their way from one location to another.

use serde::{Deserialize, Serialize};

use crate::reference::Reference;
use crate::time::Timestamp;
use crate::values::{LocationCode, Sku, TransferId};
use crate::words::words;

/// A transfer after one of its events.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    pub id: TransferId,
    pub status: TransferStatus,
    /// When all of it should be there, if the caller said so.
    pub expected_at: Option<Timestamp>,
    /// Whether it was not done by then; it stays so.
    pub overdue: bool,
    /// The external document, such as the delivery note.
    pub reference: Option<Reference>,
    /// Numbered from 1.
    pub lines: Vec<TransferLine>,
}

impl Transfer {
    /// Whether nothing of it is on its way any more.
    pub fn is_done(&self) -> bool {
        self.status.is_final()
    }

    /// The moment at which it becomes overdue, unless it is overdue or done.
    pub fn due_at(&self) -> Option<Timestamp> {
        self.expected_at.filter(|_| !self.overdue && !self.is_done())
    }
}

words! {
    /// The status of a transfer.
    pub enum TransferStatus {
        /// On its way; nothing was received yet.
        InTransit = "in_transit",
        /// A part was received, another is on its way.
        PartiallyReceived = "partially_received",
        /// Nothing is on its way: the last part was received.
        Received = "received",
        /// Nothing is on its way: the rest was lost.
        Closed = "closed",
        /// Nothing is on its way: the rest went back.
        Returned = "returned",
    }
}

impl TransferStatus {
    /// Whether nothing is on its way any more.
    pub fn is_final(self) -> bool {
        match self {
            Self::InTransit | Self::PartiallyReceived => false,
            Self::Received | Self::Closed | Self::Returned => true,
        }
    }
}

/// One line of a transfer. All amounts in base units; none is ever negative, and
/// quantity ≥ received + lost + returned.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferLine {
    /// Its number, from 1.
    pub line: u32,
    pub sku: Sku,
    /// The location it leaves.
    pub from: LocationCode,
    /// The location it goes to.
    pub to: LocationCode,
    /// The dispatched quantity.
    pub quantity: i64,
    /// The part that was received.
    pub received: i64,
    /// The part that was lost.
    pub lost: i64,
    /// The part that went back.
    pub returned: i64,
}

impl TransferLine {
    /// The quantity that is still on its way.
    pub fn open(&self) -> i64 {
        self.quantity - self.received - self.lost - self.returned
    }
}
