//! What becomes of a reservation while it is held.

use shared_events::event::{Event, HoldExtended};
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::time::Timestamp;

use super::Draft;
use super::parts::parts_of;
use crate::rejection::Rejection;
use crate::state::Hold;

/// It ends at another moment, which may be an earlier one.
pub(super) fn extend(mut draft: Draft<'_>, expires_at: Timestamp) -> Result<Vec<Event>, Rejection> {
    if draft.reservation.status != ReservationStatus::Held {
        return Err(draft.out_of_turn());
    }
    let expired_at = draft.reservation.expires_at;
    if expires_at == expired_at {
        return Ok(Vec::new());
    }
    draft.reservation.expires_at = expires_at;
    for (line, quantity) in draft.open_lines() {
        let after = draft.ledger.figures(&line.sku, &line.location);
        draft.stock.push(Event::StockHoldExtended(HoldExtended {
            sku: line.sku,
            location: line.location,
            reservation: draft.reservation.id.clone(),
            line: line.line,
            quantity,
            expired_at,
            expires_at,
            after,
            cause: draft.cause.clone(),
        }));
    }
    draft.record(Event::ReservationExtended)
}

/// It becomes a firm promise. Confirming it again changes nothing.
pub(super) fn confirm(mut draft: Draft<'_>) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Held => {}
        ReservationStatus::Confirmed => return Ok(Vec::new()),
        ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.out_of_turn()),
    }
    draft.reservation.status = ReservationStatus::Confirmed;
    if let Some(reference) = &draft.cause.reference {
        draft.reservation.reference = Some(reference.clone());
    }
    for (line, quantity) in draft.open_lines() {
        let after = draft.ledger.change(&line.sku, &line.location, -quantity, quantity);
        draft.stock.push(Event::StockAllocated(draft.held(&line, quantity, after)));
    }
    draft.record(Event::ReservationConfirmed)
}

/// Parts of it, or all that is left, are let go. Letting go of all again changes nothing.
pub(super) fn release(
    mut draft: Draft<'_>,
    asked: Option<&[Part]>,
) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Held => {}
        ReservationStatus::Released if asked.is_none() => return Ok(Vec::new()),
        ReservationStatus::Confirmed
        | ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.out_of_turn()),
    }
    let lines = &mut draft.reservation.lines;
    let over = |part| Rejection::OverRelease { part };
    draft.parts = parts_of(lines, asked, ReservationLine::open, over)?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.released += quantity) {
        let after = draft.ledger.change(&line.sku, &line.location, -quantity, 0);
        draft.stock.push(Event::StockReleased(draft.held(&line, quantity, after)));
    }
    if draft.nothing_is_open() {
        draft.reservation.status = ReservationStatus::Released;
    }
    draft.record_parts(Event::ReservationReleased)
}

/// It ends because its time has come. Holds whose end other commands met before ended then.
pub(super) fn expire(mut draft: Draft<'_>) -> Result<Vec<Event>, Rejection> {
    draft.reservation.status = ReservationStatus::Expired;
    for (line, _) in draft.open_lines() {
        let Reservation { expires_at, id, .. } = &draft.reservation;
        let hold = Hold::new(*expires_at, id, line.line);
        draft.ledger.end(&line.sku, &line.location, &hold);
    }
    for line in &mut draft.reservation.lines {
        line.released += line.open();
    }
    draft.record(Event::ReservationExpired)
}
