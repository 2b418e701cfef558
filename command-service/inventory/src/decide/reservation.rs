//! Rules of reservations: make, extend, confirm, release, cancel, fulfil, return, expire.

mod draft;
mod waiting;

use std::time::Duration;

use shared_events::event::{Cause, Event, ReservationStep};
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;

use self::draft::Draft;
use super::stock::check_lines;
use super::{check_newest, check_precondition, parts};
use crate::command::{ChangeReservation, Policy, ReserveStock, Step, StockLine};
use crate::ledger::Ledger;
use crate::rejection::{Excess, Rejection};
use crate::state::{Hold, ReservationState};
use crate::working_set::Inventory;

pub(super) fn reserve_stock(
    inventory: &Inventory,
    now: Timestamp,
    command: &ReserveStock,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Event>, Rejection> {
    check_lines(&Ledger::new(inventory, now), &command.lines)?;
    reserve_known(inventory, now, command, occurred_at)
}

/// The same for lines whose items and locations are known to exist.
pub(super) fn reserve_known(
    inventory: &Inventory,
    now: Timestamp,
    command: &ReserveStock,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Event>, Rejection> {
    let ledger = Ledger::new(inventory, now);
    let (ledger, replaced) = release_replaced(inventory, ledger, now, command, occurred_at)?;
    let reservation = Reservation {
        id: command.id.clone(),
        owner: command.owner.clone(),
        status: ReservationStatus::Held,
        expires_at: expiry(now, command.ttl_seconds),
        wait_until: None,
        priority: None,
        reference: command.cause.reference.clone(),
        lines: Vec::with_capacity(command.lines.len()),
    };
    let mut draft = Draft::new(ledger, reservation, &command.cause);
    draft.reservation.lines = (1..).zip(&command.lines).map(new_line).collect();
    let step = match command.policy {
        Policy::All => draft.take_all(),
        Policy::Partial => draft.take_free(),
        Policy::Wait(wait) => draft.take_or_wait(now, wait)?,
    };
    let (ledger, held) = draft.book(step);
    ledger.finish(replaced.into_iter().chain(held).collect())
}

fn new_line((number, line): (u32, &StockLine)) -> ReservationLine {
    ReservationLine {
        line: number,
        sku: line.sku.clone(),
        location: line.location.clone(),
        requested: line.quantity,
        quantity: 0,
        waiting: 0,
        released: 0,
        fulfilled: 0,
        returned: 0,
    }
}

impl Draft<'_> {
    fn take_all(&mut self) -> fn(ReservationStep) -> Event {
        for nth in 0..self.reservation.lines.len() {
            self.hold_line(nth, self.reservation.lines[nth].requested);
        }
        Event::ReservationHeld
    }

    /// Takes what is there for each line. If no line gets anything, every line is short.
    fn take_free(&mut self) -> fn(ReservationStep) -> Event {
        for nth in 0..self.reservation.lines.len() {
            let line = &self.reservation.lines[nth];
            let free = self.ledger.free(&line.sku, &line.location);
            self.hold_line(nth, line.requested.min(free));
        }
        if self.stock.is_empty() {
            self.take_all();
        }
        Event::ReservationHeld
    }

    /// Holds a quantity for a line, if it is any.
    fn hold_line(&mut self, nth: usize, quantity: i64) {
        self.reservation.lines[nth].quantity = quantity;
        if quantity > 0 {
            let line = self.reservation.lines[nth].clone();
            let after = self.ledger.hold(&line.sku, &line.location, quantity);
            self.stock.push(Event::StockReserved(self.held(&line, quantity, after)));
        }
    }
}

/// Releases all that is left of the hold that a new one replaces, if it replaces one.
fn release_replaced<'a>(
    inventory: &Inventory,
    ledger: Ledger<'a>,
    now: Timestamp,
    command: &'a ReserveStock,
    occurred_at: Option<Timestamp>,
) -> Result<(Ledger<'a>, Vec<Event>), Rejection> {
    let Some(id) = &command.replaces else {
        return Ok((ledger, Vec::new()));
    };
    let (state, before) = existing(inventory, id)?;
    if before.owner != command.owner {
        return Err(Rejection::UnknownReservation { id: id.clone() });
    }
    let mut draft = Draft::new(ledger, before.clone(), &command.cause);
    draft.follow(state, now);
    if has_expired(&draft.reservation, now) || before.status == ReservationStatus::Expired {
        return Err(Rejection::ReservationExpired {});
    }
    check_newest(occurred_at, state.newest_at, now)?;
    if draft.reservation.status != ReservationStatus::Held {
        return Err(draft.wrong_state());
    }
    draft.release(None, now)?;
    Ok(draft.book(Event::ReservationReleased))
}

fn existing<'a>(
    inventory: &'a Inventory,
    id: &ReservationId,
) -> Result<(&'a ReservationState, &'a Reservation), Rejection> {
    let state = inventory.reservation(id);
    state
        .and_then(|state| Some((state, state.details.as_ref()?)))
        .ok_or_else(|| Rejection::UnknownReservation { id: id.clone() })
}

/// Whether the hold, or waiting, is over, although no command has ended it yet.
fn has_expired(reservation: &Reservation, now: Timestamp) -> bool {
    reservation.ends_at().is_some_and(|ends_at| ends_at <= now)
}

pub(super) fn change_reservation(
    inventory: &Inventory,
    now: Timestamp,
    command: &ChangeReservation,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Event>, Rejection> {
    let (state, before) = existing(inventory, &command.id)?;
    check_precondition(command.precondition, state.version)?;
    let mut draft = Draft::new(Ledger::new(inventory, now), before.clone(), &command.cause);
    draft.follow(state, now);
    let has_expired = has_expired(&draft.reservation, now);
    let is_over = has_expired || before.status == ReservationStatus::Expired;
    if is_over && command.step != Step::Settle {
        return Err(Rejection::ReservationExpired {});
    }
    check_newest(occurred_at, state.newest_at, now)?;
    match &command.step {
        Step::Extend { ttl_seconds } => extend(draft, expiry(now, *ttl_seconds)),
        Step::Confirm => confirm(draft),
        Step::Release(parts) => release(draft, parts.as_deref(), state, now),
        Step::Cancel(parts) => cancel(draft, parts.as_deref(), state),
        Step::Fulfil(parts) => fulfil(draft, parts.as_deref()),
        Step::Return(parts) => return_parts(draft, parts),
        Step::ChangeWait { priority, seconds } => draft.change_wait(now, *priority, *seconds),
        Step::Settle if has_expired => expire(draft, now),
        Step::Settle if !draft.followed.is_empty() => draft.record_followed(),
        Step::Settle => Ok(Vec::new()),
    }
}

/// Undoes all that is left of a reservation, whatever others did to it: what waits leaves, and what is held or
/// allocated is given back.
pub(super) fn undo(
    inventory: &Inventory,
    now: Timestamp,
    id: &ReservationId,
) -> Result<Vec<Event>, Rejection> {
    let (state, before) = existing(inventory, id)?;
    let cause = Cause::default();
    let mut draft = Draft::new(Ledger::new(inventory, now), before.clone(), &cause);
    draft.follow(state, now);
    match draft.reservation.status {
        ReservationStatus::Waiting | ReservationStatus::Held
            if has_expired(&draft.reservation, now) =>
        {
            expire(draft, now)
        }
        ReservationStatus::Waiting | ReservationStatus::Held => release(draft, None, state, now),
        ReservationStatus::Confirmed => cancel(draft, None, state),
        ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => Ok(Vec::new()),
    }
}

/// Moves the expiry, also to an earlier time.
fn extend(mut draft: Draft<'_>, expires_at: Timestamp) -> Result<Vec<Event>, Rejection> {
    if draft.reservation.status != ReservationStatus::Held {
        return Err(draft.wrong_state());
    }
    if expires_at == draft.reservation.expires_at {
        return Ok(Vec::new());
    }
    let cause = draft.cause;
    draft.stock = draft.move_holds(expires_at, cause);
    draft.record(Event::ReservationExtended)
}

/// Turns the hold into an allocation. Confirming again for the same document changes nothing.
fn confirm(mut draft: Draft<'_>) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Held => {}
        ReservationStatus::Confirmed => {
            return draft.repeated(draft.reservation.reference.as_ref());
        }
        ReservationStatus::Waiting
        | ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.wrong_state()),
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

/// Releases parts that are held or wait, or all that is left. Releasing all again changes nothing.
fn release(
    mut draft: Draft<'_>,
    asked: Option<&[Part]>,
    state: &ReservationState,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Waiting | ReservationStatus::Held => {}
        ReservationStatus::Released if asked.is_none() => {
            return draft.repeated(state.ended_for.as_deref());
        }
        ReservationStatus::Confirmed
        | ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.wrong_state()),
    }
    draft.release(asked, now)?;
    draft.record_parts(Event::ReservationReleased)
}

/// Ends an expired reservation. Other commands may have ended some of its holds before.
fn expire(mut draft: Draft<'_>, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    if draft.reservation.status == ReservationStatus::Waiting {
        draft.end_waiting(now);
    }
    draft.reservation.status = ReservationStatus::Expired;
    for (line, quantity) in draft.open_lines() {
        let Reservation { expires_at, id, .. } = &draft.reservation;
        let hold = Hold::new(*expires_at, id, line.line);
        if draft.followed.is_empty() {
            draft.ledger.end(&line.sku, &line.location, &hold);
        } else {
            // The hold got its end with this command, so that it is not among those that have ended.
            let after = draft.ledger.change(&line.sku, &line.location, -quantity, 0);
            draft.stock.push(Event::StockHoldExpired(draft.held(&line, quantity, after)));
        }
    }
    for line in &mut draft.reservation.lines {
        line.released += line.open();
    }
    draft.record(Event::ReservationExpired)
}

/// Cancels allocated parts, or all that is left. Cancelling all again changes nothing, even if parts
/// were fulfilled before.
fn cancel(
    mut draft: Draft<'_>,
    asked: Option<&[Part]>,
    state: &ReservationState,
) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Confirmed => {}
        ReservationStatus::Cancelled if asked.is_none() => {
            return draft.repeated(state.ended_for.as_deref());
        }
        ReservationStatus::Fulfilled if asked.is_none() && state.cancelled => {
            return draft.repeated(state.ended_for.as_deref());
        }
        ReservationStatus::Waiting
        | ReservationStatus::Held
        | ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.wrong_state()),
    }
    let over = |part| Rejection::OverRelease { part };
    draft.parts = parts_of(&draft.reservation.lines, asked, ReservationLine::open, over)?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.released += quantity) {
        let after = draft.ledger.change(&line.sku, &line.location, 0, -quantity);
        draft.stock.push(Event::StockDeallocated(draft.allocated(&line, quantity, after)));
    }
    if draft.nothing_is_open() {
        let any_fulfilled = draft.reservation.lines.iter().any(|line| line.fulfilled > 0);
        draft.reservation.status =
            if any_fulfilled { ReservationStatus::Fulfilled } else { ReservationStatus::Cancelled };
    }
    draft.record_parts(Event::ReservationCancelled)
}

/// Fulfils allocated parts, or all that is left.
fn fulfil(mut draft: Draft<'_>, asked: Option<&[Part]>) -> Result<Vec<Event>, Rejection> {
    if draft.reservation.status != ReservationStatus::Confirmed {
        return Err(draft.wrong_state());
    }
    let over = |part| Rejection::OverFulfil { part };
    draft.parts = parts_of(&draft.reservation.lines, asked, ReservationLine::open, over)?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.fulfilled += quantity) {
        let after = draft.ledger.fulfil(&line.sku, &line.location, quantity);
        draft.stock.push(Event::StockFulfilled(draft.allocated(&line, quantity, after)));
    }
    if draft.nothing_is_open() {
        draft.reservation.status = ReservationStatus::Fulfilled;
    }
    draft.record_parts(Event::ReservationFulfilled)
}

/// Returns fulfilled parts. They become available; the reservation keeps its status.
fn return_parts(mut draft: Draft<'_>, asked: &[Part]) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Confirmed | ReservationStatus::Fulfilled => {}
        ReservationStatus::Waiting
        | ReservationStatus::Held
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.wrong_state()),
    }
    let lines = &draft.reservation.lines;
    let over = |part| Rejection::OverReturn { part };
    draft.parts = parts_of(lines, Some(asked), ReservationLine::returnable, over)?;
    for (line, quantity) in draft.book_parts(|line, quantity| line.returned += quantity) {
        let after = draft.ledger.put_in(&line.sku, &line.location, quantity)?;
        draft.stock.push(Event::StockReturned(draft.allocated(&line, quantity, after)));
    }
    draft.record_parts(Event::ReservationReturned)
}

fn expiry(now: Timestamp, ttl_seconds: u32) -> Timestamp {
    now + Duration::from_secs(u64::from(ttl_seconds))
}

/// The parts of a step, none more than is `possible` of its line.
fn parts_of(
    lines: &[ReservationLine],
    asked: Option<&[Part]>,
    possible: fn(&ReservationLine) -> i64,
    over: fn(Excess) -> Rejection,
) -> Result<Vec<Part>, Rejection> {
    parts::parts_of(lines.iter().map(|line| (line.line, possible(line))), asked, over)
}
