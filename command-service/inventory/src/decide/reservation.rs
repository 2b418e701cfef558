//! The life of a reservation.

mod reserve;
mod held;
mod promised;
mod parts;

use std::time::Duration;

use shared_events::event::{Cause, Event, Figures, HeldStock, PromisedStock, ReservationStep};
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::time::Timestamp;

pub(super) use self::reserve::reserve_stock;

use super::check_version;
use crate::command::{ChangeReservation, Step};
use crate::ledger::Ledger;
use crate::rejection::Rejection;
use crate::working_set::Inventory;

pub(super) fn change_reservation(
    inventory: &Inventory,
    now: Timestamp,
    command: &ChangeReservation,
) -> Result<Vec<Event>, Rejection> {
    let unknown = || Rejection::UnknownReservation { id: command.id.clone() };
    let state = inventory.reservation(&command.id).ok_or_else(unknown)?;
    let before = state.details.as_ref().ok_or_else(unknown)?;
    check_version(command.expected_version, state.version)?;
    let time_is_up = before.status == ReservationStatus::Held && before.expires_at <= now;
    let is_over = time_is_up || before.status == ReservationStatus::Expired;
    if is_over && command.step != Step::Expire {
        return Err(Rejection::ReservationExpired {});
    }
    let draft = Draft::new(Ledger::new(inventory, now), before.clone(), &command.cause);
    match &command.step {
        Step::Extend { ttl_seconds } => held::extend(draft, end_of_hold(now, *ttl_seconds)),
        Step::Confirm => held::confirm(draft),
        Step::Release(parts) => held::release(draft, parts.as_deref()),
        Step::Cancel(parts) => promised::cancel(draft, parts.as_deref(), state.cancelled),
        Step::Fulfil(parts) => promised::fulfil(draft, parts.as_deref()),
        Step::Return(parts) => promised::take_back(draft, parts),
        Step::Expire if time_is_up => held::expire(draft),
        Step::Expire => Ok(Vec::new()),
    }
}

/// When a hold of so many seconds ends.
fn end_of_hold(now: Timestamp, ttl_seconds: u32) -> Timestamp {
    now + Duration::from_secs(u64::from(ttl_seconds))
}

/// A step of a reservation while it is drawn up: what the reservation becomes, and what happens to
/// the stock behind it.
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

    /// The step is not one of the state that the reservation is in.
    fn out_of_turn(&self) -> Rejection {
        Rejection::ReservationState { status: self.reservation.status }
    }

    /// The lines of which something is open, each with how much.
    fn open_lines(&self) -> Vec<(ReservationLine, i64)> {
        let open = self.reservation.lines.iter().map(|line| (line.clone(), line.open()));
        open.filter(|(_, open)| *open > 0).collect()
    }

    /// Books the parts on their lines; returns those lines, each with its part's quantity.
    fn book_parts(&mut self, book: fn(&mut ReservationLine, i64)) -> Vec<(ReservationLine, i64)> {
        let mut parts = self.parts.iter().peekable();
        let mut booked = Vec::with_capacity(self.parts.len());
        for line in &mut self.reservation.lines {
            // Both ascend by line.
            if let Some(part) = parts.next_if(|part| part.line == line.line) {
                book(line, part.quantity);
                booked.push((line.clone(), part.quantity));
            }
        }
        booked
    }

    fn nothing_is_open(&self) -> bool {
        self.reservation.lines.iter().all(|line| line.open() == 0)
    }

    /// A fact about a quantity that the line holds, or held.
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

    /// A fact about a quantity that was promised by the line.
    fn promised(&self, line: &ReservationLine, quantity: i64, after: Figures) -> PromisedStock {
        PromisedStock {
            sku: line.sku.clone(),
            location: line.location.clone(),
            reservation: self.reservation.id.clone(),
            line: line.line,
            quantity,
            after,
            cause: self.cause.clone(),
        }
    }

    /// The step's events: the ends of lapsed holds, the reservation's own, then those of the stock.
    fn record(self, step: fn(ReservationStep) -> Event) -> Result<Vec<Event>, Rejection> {
        let Self { ledger, reservation, cause, parts, stock } = self;
        let own = step(ReservationStep { parts, after: reservation, cause: cause.clone() });
        ledger.settle(std::iter::once(own).chain(stock).collect())
    }

    /// The events of a step in parts; no parts, no step.
    fn record_parts(self, step: fn(ReservationStep) -> Event) -> Result<Vec<Event>, Rejection> {
        if self.parts.is_empty() { Ok(Vec::new()) } else { self.record(step) }
    }
}
