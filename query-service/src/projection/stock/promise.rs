//! Whom a change of stock is for.

use shared_events::event::{Event, HeldStock, HoldExtended, PromisedStock};
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;

/// What a change of stock does for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    /// For which reservation.
    pub reservation: ReservationId,
    /// For which of its lines, from 1.
    pub line: u32,
    /// When the hold ends that it is about.
    pub expires_at: Option<Timestamp>,
}

impl Promise {
    /// The promise behind an event, if there is one.
    pub fn behind(event: &Event) -> Option<Self> {
        let (reservation, line, expires_at) = match event {
            Event::StockReserved(hold)
            | Event::StockReleased(hold)
            | Event::StockHoldExpired(hold)
            | Event::StockAllocated(hold) => {
                let HeldStock { reservation, line, expires_at, .. } = hold;
                (reservation, line, Some(expires_at))
            }
            Event::StockHoldExtended(HoldExtended { reservation, line, expires_at, .. }) => {
                (reservation, line, Some(expires_at))
            }
            Event::StockDeallocated(promise)
            | Event::StockFulfilled(promise)
            | Event::StockReturned(promise) => {
                let PromisedStock { reservation, line, .. } = promise;
                (reservation, line, None)
            }
            Event::StockReceived(_)
            | Event::StockIssued(_)
            | Event::StockAdjusted(_)
            | Event::StockSet(_)
            | Event::StockMovedOut(_)
            | Event::StockMovedIn(_)
            | Event::StockReversed(_)
            | Event::ItemRegistered(_)
            | Event::ItemChanged(_)
            | Event::ItemRetired(_)
            | Event::LocationRegistered(_)
            | Event::LocationChanged(_)
            | Event::ReservationHeld(_)
            | Event::ReservationExtended(_)
            | Event::ReservationConfirmed(_)
            | Event::ReservationReleased(_)
            | Event::ReservationExpired(_)
            | Event::ReservationFulfilled(_)
            | Event::ReservationCancelled(_)
            | Event::ReservationReturned(_) => return None,
        };
        let (reservation, line, expires_at) = (reservation.clone(), *line, expires_at.copied());
        Some(Self { reservation, line, expires_at })
    }
}
