//! What a stock event did, whatever its type.

use super::{
    Cause, Event, Figures, HeldStock, HoldExtended, PromisedStock, StockAdjusted, StockIssued,
    StockMovedIn, StockMovedOut, StockReceived, StockReversed, StockSet,
};
use crate::values::{LocationCode, Sku};

/// What a stock event did to the stock of an item at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockChange<'a> {
    /// The item.
    pub sku: &'a Sku,
    /// Where.
    pub location: &'a LocationCode,
    /// The difference to each figure; all zeros where only the end of a hold changed.
    pub delta: Figures,
    /// The figures after it.
    pub after: Figures,
    /// Why.
    pub cause: &'a Cause,
}

/// Only on_hand changed.
fn counted(on_hand: i64) -> Figures {
    Figures { on_hand, ..Figures::default() }
}

impl Event {
    /// What the fact did to the stock of an item at a location; nothing for facts of other streams.
    pub fn stock_change(&self) -> Option<StockChange<'_>> {
        Some(match self {
            Self::StockReceived(StockReceived { sku, location, quantity, after, cause }) => {
                StockChange { sku, location, delta: counted(*quantity), after: *after, cause }
            }
            Self::StockIssued(StockIssued { sku, location, quantity, after, cause, .. }) => {
                StockChange { sku, location, delta: counted(-quantity), after: *after, cause }
            }
            Self::StockAdjusted(StockAdjusted { sku, location, delta, after, cause, .. })
            | Self::StockSet(StockSet { sku, location, delta, after, cause })
            | Self::StockReversed(StockReversed { sku, location, delta, after, cause, .. }) => {
                StockChange { sku, location, delta: counted(*delta), after: *after, cause }
            }
            Self::StockMovedOut(StockMovedOut {
                sku, location, quantity, after, cause, ..
            }) => StockChange { sku, location, delta: counted(-quantity), after: *after, cause },
            Self::StockMovedIn(StockMovedIn { sku, location, quantity, after, cause, .. }) => {
                StockChange { sku, location, delta: counted(*quantity), after: *after, cause }
            }
            Self::StockReserved(hold) => {
                held(hold, Figures { reserved: hold.quantity, ..counted(0) })
            }
            Self::StockReleased(hold) | Self::StockHoldExpired(hold) => {
                held(hold, Figures { reserved: -hold.quantity, ..counted(0) })
            }
            Self::StockAllocated(hold) => held(
                hold,
                Figures { on_hand: 0, reserved: -hold.quantity, allocated: hold.quantity },
            ),
            Self::StockHoldExtended(HoldExtended { sku, location, after, cause, .. }) => {
                StockChange { sku, location, delta: counted(0), after: *after, cause }
            }
            Self::StockDeallocated(promise) => {
                promised(promise, Figures { allocated: -promise.quantity, ..counted(0) })
            }
            Self::StockFulfilled(promise) => promised(
                promise,
                Figures { allocated: -promise.quantity, ..counted(-promise.quantity) },
            ),
            Self::StockReturned(promise) => promised(promise, counted(promise.quantity)),
            Self::ItemRegistered(_)
            | Self::ItemChanged(_)
            | Self::ItemRetired(_)
            | Self::LocationRegistered(_)
            | Self::LocationChanged(_)
            | Self::ReservationHeld(_)
            | Self::ReservationExtended(_)
            | Self::ReservationConfirmed(_)
            | Self::ReservationReleased(_)
            | Self::ReservationExpired(_)
            | Self::ReservationFulfilled(_)
            | Self::ReservationCancelled(_)
            | Self::ReservationReturned(_) => return None,
        })
    }
}

fn held(hold: &HeldStock, delta: Figures) -> StockChange<'_> {
    let HeldStock { sku, location, after, cause, .. } = hold;
    StockChange { sku, location, delta, after: *after, cause }
}

fn promised(promise: &PromisedStock, delta: Figures) -> StockChange<'_> {
    let PromisedStock { sku, location, after, cause, .. } = promise;
    StockChange { sku, location, delta, after: *after, cause }
}
