//! What becomes of a reservation once it is promised firmly.

use shared_events::event::Event;
use shared_events::reservation::{Part, ReservationLine, ReservationStatus};

use super::Draft;
use super::parts::parts_of;
use crate::rejection::Rejection;

/// The promise is taken back where it is not fulfilled, in parts or all that is left. Taking back
/// all again changes nothing, also where something had gone out before.
pub(super) fn cancel(
    mut draft: Draft<'_>,
    asked: Option<&[Part]>,
    was_cancelled: bool,
) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Confirmed => {}
        ReservationStatus::Cancelled if asked.is_none() => return Ok(Vec::new()),
        ReservationStatus::Fulfilled if asked.is_none() && was_cancelled => return Ok(Vec::new()),
        ReservationStatus::Held
        | ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.out_of_turn()),
    }
    let over = |part| Rejection::OverRelease { part };
    draft.parts = parts_of(&draft.reservation.lines, asked, ReservationLine::open, over)?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.released += quantity) {
        let after = draft.ledger.change(&line.sku, &line.location, 0, -quantity);
        draft.stock.push(Event::StockDeallocated(draft.promised(&line, quantity, after)));
    }
    if draft.nothing_is_open() {
        let anything_went_out = draft.reservation.lines.iter().any(|line| line.fulfilled > 0);
        draft.reservation.status = if anything_went_out {
            ReservationStatus::Fulfilled
        } else {
            ReservationStatus::Cancelled
        };
    }
    draft.record_parts(Event::ReservationCancelled)
}

/// What was promised goes out, in parts or all that is left.
pub(super) fn fulfil(
    mut draft: Draft<'_>,
    asked: Option<&[Part]>,
) -> Result<Vec<Event>, Rejection> {
    if draft.reservation.status != ReservationStatus::Confirmed {
        return Err(draft.out_of_turn());
    }
    let over = |part| Rejection::OverFulfil { part };
    draft.parts = parts_of(&draft.reservation.lines, asked, ReservationLine::open, over)?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.fulfilled += quantity) {
        let after = draft.ledger.fulfil(&line.sku, &line.location, quantity);
        draft.stock.push(Event::StockFulfilled(draft.promised(&line, quantity, after)));
    }
    if draft.nothing_is_open() {
        draft.reservation.status = ReservationStatus::Fulfilled;
    }
    draft.record_parts(Event::ReservationFulfilled)
}

/// Parts of what went out come back. They are available again; the promise was kept.
pub(super) fn take_back(mut draft: Draft<'_>, asked: &[Part]) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Confirmed | ReservationStatus::Fulfilled => {}
        ReservationStatus::Held
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.out_of_turn()),
    }
    let lines = &draft.reservation.lines;
    let over = |part| Rejection::OverReturn { part };
    draft.parts = parts_of(lines, Some(asked), ReservationLine::returnable, over)?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.returned += quantity) {
        let after = draft.ledger.put_in(&line.sku, &line.location, quantity)?;
        draft.stock.push(Event::StockReturned(draft.promised(&line, quantity, after)));
    }
    draft.record_parts(Event::ReservationReturned)
}
