//! Rules of reservations: make, extend, confirm, release, cancel, fulfil, return, expire.

use std::time::Duration;

use shared_events::event::{
    AllocatedStock, Cause, Event, Figures, HeldStock, HoldExtended, Reference, ReservationStep,
};
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::time::Timestamp;
use shared_events::values::ReservationId;

use super::stock::check_lines;
use super::{check_newest, check_precondition, parts};
use crate::command::{ChangeReservation, Policy, ReserveStock, Step};
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
        reference: command.cause.reference.clone(),
        lines: Vec::with_capacity(command.lines.len()),
    };
    let mut draft = Draft::new(ledger, reservation, &command.cause);
    for (number, line) in (1..).zip(&command.lines) {
        let quantity = match command.policy {
            Policy::All => line.quantity,
            Policy::Partial => {
                let figures = draft.ledger.figures(&line.sku, &line.location);
                line.quantity.min(figures.available().max(0))
            }
        };
        hold(
            &mut draft,
            ReservationLine {
                line: number,
                sku: line.sku.clone(),
                location: line.location.clone(),
                requested: line.quantity,
                quantity,
                released: 0,
                fulfilled: 0,
                returned: 0,
            },
        );
    }
    if draft.stock.is_empty() {
        // No line got anything, so every line is short.
        for line in &command.lines {
            draft.ledger.hold(&line.sku, &line.location, line.quantity);
        }
    }
    let (ledger, held) = draft.book(Event::ReservationHeld);
    ledger.finish(replaced.into_iter().chain(held).collect())
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
    if has_expired(before, now) || before.status == ReservationStatus::Expired {
        return Err(Rejection::ReservationExpired {});
    }
    check_newest(occurred_at, state.newest_at, now)?;
    let mut draft = Draft::new(ledger, before.clone(), &command.cause);
    if before.status != ReservationStatus::Held {
        return Err(draft.wrong_state());
    }
    draft.release(None)?;
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

/// Whether the hold is over, although no command has ended it yet.
fn has_expired(reservation: &Reservation, now: Timestamp) -> bool {
    reservation.status == ReservationStatus::Held && reservation.expires_at <= now
}

pub(super) fn change_reservation(
    inventory: &Inventory,
    now: Timestamp,
    command: &ChangeReservation,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Event>, Rejection> {
    let (state, before) = existing(inventory, &command.id)?;
    check_precondition(command.precondition, state.version)?;
    let has_expired = has_expired(before, now);
    let is_over = has_expired || before.status == ReservationStatus::Expired;
    if is_over && command.step != Step::Expire {
        return Err(Rejection::ReservationExpired {});
    }
    check_newest(occurred_at, state.newest_at, now)?;
    let draft = Draft::new(Ledger::new(inventory, now), before.clone(), &command.cause);
    match &command.step {
        Step::Extend { ttl_seconds } => extend(draft, expiry(now, *ttl_seconds)),
        Step::Confirm => confirm(draft),
        Step::Release(parts) => release(draft, parts.as_deref(), state),
        Step::Cancel(parts) => cancel(draft, parts.as_deref(), state),
        Step::Fulfil(parts) => fulfil(draft, parts.as_deref()),
        Step::Return(parts) => return_parts(draft, parts),
        Step::Expire if has_expired => expire(draft),
        Step::Expire => Ok(Vec::new()),
    }
}

/// Moves the expiry, also to an earlier time.
fn extend(mut draft: Draft<'_>, expires_at: Timestamp) -> Result<Vec<Event>, Rejection> {
    if draft.reservation.status != ReservationStatus::Held {
        return Err(draft.wrong_state());
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

/// Turns the hold into an allocation. Confirming again for the same document changes nothing.
fn confirm(mut draft: Draft<'_>) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Held => {}
        ReservationStatus::Confirmed => {
            return draft.repeated(draft.reservation.reference.as_ref());
        }
        ReservationStatus::Fulfilled
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

/// Releases held parts, or all that is left. Releasing all again changes nothing.
fn release(
    mut draft: Draft<'_>,
    asked: Option<&[Part]>,
    state: &ReservationState,
) -> Result<Vec<Event>, Rejection> {
    match draft.reservation.status {
        ReservationStatus::Held => {}
        ReservationStatus::Released if asked.is_none() => {
            return draft.repeated(state.ended_for.as_deref());
        }
        ReservationStatus::Confirmed
        | ReservationStatus::Fulfilled
        | ReservationStatus::Released
        | ReservationStatus::Expired
        | ReservationStatus::Cancelled => return Err(draft.wrong_state()),
    }
    draft.release(asked)?;
    draft.record_parts(Event::ReservationReleased)
}

/// Ends an expired reservation. Other commands may have ended some of its holds before.
fn expire(mut draft: Draft<'_>) -> Result<Vec<Event>, Rejection> {
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
        ReservationStatus::Held
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
        ReservationStatus::Held
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

/// Adds a line, with a hold if it got anything.
fn hold(draft: &mut Draft<'_>, line: ReservationLine) {
    if line.quantity > 0 {
        let after = draft.ledger.hold(&line.sku, &line.location, line.quantity);
        draft.stock.push(Event::StockReserved(draft.held(&line, line.quantity, after)));
    }
    draft.reservation.lines.push(line);
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

/// A step of a reservation in the making: the reservation after it and its stock events.
struct Draft<'a> {
    ledger: Ledger<'a>,
    reservation: Reservation,
    cause: &'a Cause,
    parts: Vec<Part>,
    stock: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(ledger: Ledger<'a>, reservation: Reservation, cause: &'a Cause) -> Self {
        Self { ledger, reservation, cause, parts: Vec::new(), stock: Vec::new() }
    }

    fn wrong_state(&self) -> Rejection {
        Rejection::ReservationState { status: self.reservation.status }
    }

    /// A step that was done before. It changes nothing, unless it names another document than then,
    /// which would be dropped in silence.
    fn repeated(&self, recorded: Option<&Reference>) -> Result<Vec<Event>, Rejection> {
        match &self.cause.reference {
            Some(asked) if Some(asked) != recorded => Err(Rejection::DoneForAnother {
                status: self.reservation.status,
                reference: recorded.cloned(),
            }),
            _ => Ok(Vec::new()),
        }
    }

    /// The lines with an open quantity, and that quantity.
    fn open_lines(&self) -> Vec<(ReservationLine, i64)> {
        let open = self.reservation.lines.iter().map(|line| (line.clone(), line.open()));
        open.filter(|(_, open)| *open > 0).collect()
    }

    /// Books the parts on their lines and returns those lines with the booked quantities.
    fn book_parts(&mut self, book: fn(&mut ReservationLine, i64)) -> Vec<(ReservationLine, i64)> {
        parts::book(&mut self.reservation.lines, |line| line.line, &self.parts, book)
    }

    /// Releases held parts, or all that is left.
    fn release(&mut self, asked: Option<&[Part]>) -> Result<(), Rejection> {
        let over = |part| Rejection::OverRelease { part };
        self.parts = parts_of(&self.reservation.lines, asked, ReservationLine::open, over)?;
        for (line, quantity) in self.book_parts(|line, quantity| line.released += quantity) {
            let after = self.ledger.change(&line.sku, &line.location, -quantity, 0);
            self.stock.push(Event::StockReleased(self.held(&line, quantity, after)));
        }
        if self.nothing_is_open() {
            self.reservation.status = ReservationStatus::Released;
        }
        Ok(())
    }

    fn nothing_is_open(&self) -> bool {
        self.reservation.lines.iter().all(|line| line.open() == 0)
    }

    fn held(&self, line: &ReservationLine, quantity: i64, after: Figures) -> HeldStock {
        HeldStock {
            sku: line.sku.clone(),
            location: line.location.clone(),
            reservation: self.reservation.id.clone(),
            line: line.line,
            quantity,
            expires_at: self.reservation.expires_at,
            after,
            cause: self.cause.clone(),
        }
    }

    fn allocated(&self, line: &ReservationLine, quantity: i64, after: Figures) -> AllocatedStock {
        AllocatedStock {
            sku: line.sku.clone(),
            location: line.location.clone(),
            reservation: self.reservation.id.clone(),
            line: line.line,
            quantity,
            after,
            cause: self.cause.clone(),
        }
    }

    /// The reservation's step and its stock events, with the figures after them.
    fn book(self, step: fn(ReservationStep) -> Event) -> (Ledger<'a>, Vec<Event>) {
        let Self { ledger, reservation, cause, parts, stock } = self;
        let own = step(ReservationStep { parts, after: reservation, cause: cause.clone() });
        (ledger, std::iter::once(own).chain(stock).collect())
    }

    /// The events: ends of expired holds, then the reservation's step, then its stock events.
    fn record(self, step: fn(ReservationStep) -> Event) -> Result<Vec<Event>, Rejection> {
        let (ledger, events) = self.book(step);
        ledger.finish(events)
    }

    /// The same for a step in parts; without parts there is no step.
    fn record_parts(self, step: fn(ReservationStep) -> Event) -> Result<Vec<Event>, Rejection> {
        if self.parts.is_empty() { Ok(Vec::new()) } else { self.record(step) }
    }
}
