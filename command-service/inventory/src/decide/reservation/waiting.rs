//! Rules of reservations that wait for stock: begin, follow, change, end.
//!
//! The stock's own stream decides who gets what, in the transaction that frees it. The reservation's stream
//! follows later, for it may be in another lane: before any other step of the reservation, or when the
//! sweeper asks. Until then the holds in the stock's streams say how much of it is filled.

use std::time::Duration;

use shared_events::event::{Cause, Event, HoldExtended, ReservationStep, WaitChanged, WhyLeft};
use shared_events::reservation::{Fill, Part, ReservationStatus};
use shared_events::time::Timestamp;

use super::{Draft, expiry};
use crate::command::Wait;
use crate::rejection::Rejection;
use crate::state::{Hold, ReservationState};

impl Draft<'_> {
    /// Takes what is there for each line and lets the rest wait. If nothing has to, it is an ordinary hold.
    pub(super) fn take_or_wait(
        &mut self,
        now: Timestamp,
        Wait { seconds, priority, fill }: Wait,
    ) -> Result<fn(ReservationStep) -> Event, Rejection> {
        let held_until = self.reservation.expires_at;
        self.reservation.status = ReservationStatus::Waiting;
        self.reservation.priority = Some(priority);
        self.wait_until(expiry(now, seconds), held_until.since(now));
        for nth in 0..self.reservation.lines.len() {
            let line = &self.reservation.lines[nth];
            let (requested, free) = (line.requested, self.ledger.free(&line.sku, &line.location));
            let takes = match fill {
                Fill::Parts => requested.min(free),
                Fill::Whole if requested <= free => requested,
                Fill::Whole => 0,
            };
            self.hold_line(nth, takes);
            self.reservation.lines[nth].waiting = requested - takes;
            if takes < requested {
                let line = &self.reservation.lines[nth];
                let waitlisted = self.ledger.wait(&self.reservation, line, fill, self.cause)?;
                self.stock.push(Event::StockWaitlisted(waitlisted));
            }
        }
        if self.waits() {
            return Ok(Event::ReservationWaitlisted);
        }
        self.reservation.status = ReservationStatus::Held;
        (self.reservation.wait_until, self.reservation.priority) = (None, None);
        self.reservation.expires_at = held_until;
        for event in &mut self.stock {
            if let Event::StockReserved(held) = event {
                held.expires_at = held_until;
            }
        }
        Ok(Event::ReservationHeld)
    }

    /// While it waits, its hold ends at the latest when waiting and then a whole hold are over.
    fn wait_until(&mut self, until: Timestamp, ttl: Duration) {
        self.reservation.wait_until = Some(until);
        self.reservation.expires_at = until + ttl;
    }

    /// How long a hold of a waiting reservation lasts.
    fn ttl(&self) -> Duration {
        let until = self.reservation.wait_until.unwrap_or(self.reservation.expires_at);
        self.reservation.expires_at.since(until)
    }

    /// Learns which parts of what the reservation waits for were filled since its last step. If that is all,
    /// it is held, from the last fill on.
    pub(super) fn follow(&mut self, state: &ReservationState, now: Timestamp) {
        let is_over = self.reservation.expires_at <= now;
        if self.reservation.status != ReservationStatus::Waiting || is_over {
            return;
        }
        let (mut parts, mut last) = (Vec::new(), None);
        for nth in 0..self.reservation.lines.len() {
            let line = &self.reservation.lines[nth];
            let (held, filled_at) = self.ledger.held(&self.reservation, line);
            let filled = held - line.open();
            if filled > 0 {
                last = last.max(filled_at);
                parts.push(Part { line: line.line, quantity: filled });
                let line = &mut self.reservation.lines[nth];
                line.quantity += filled;
                line.waiting -= filled;
            }
        }
        if parts.is_empty() {
            return;
        }
        let ttl = self.ttl();
        let extended =
            if self.waits() { Vec::new() } else { self.hold_until(last.unwrap_or(now) + ttl) };
        let (after, order) = (self.reservation.clone(), state.order.as_deref().cloned());
        self.followed.push(Event::ReservationFilled(ReservationStep {
            parts,
            after,
            order,
            cause: Cause::default(),
        }));
        self.followed.extend(extended);
    }

    /// Only what the reservation learnt.
    pub(super) fn record_followed(self) -> Result<Vec<Event>, Rejection> {
        self.ledger.finish(self.followed)
    }

    /// Nothing of it waits any more: it is held from now on.
    pub(super) fn hold_from(&mut self, now: Timestamp) -> Vec<Event> {
        self.hold_until(now + self.ttl())
    }

    fn hold_until(&mut self, expires_at: Timestamp) -> Vec<Event> {
        self.reservation.status = ReservationStatus::Held;
        self.move_holds(expires_at, &Cause::default())
    }

    /// Lets what is held end at another time.
    pub(super) fn move_holds(&mut self, expires_at: Timestamp, cause: &Cause) -> Vec<Event> {
        let expired_at = self.reservation.expires_at;
        self.reservation.expires_at = expires_at;
        if expires_at == expired_at {
            return Vec::new();
        }
        let held = self.open_lines().into_iter().map(|(line, quantity)| {
            let after = self.ledger.figures(&line.sku, &line.location);
            Event::StockHoldExtended(HoldExtended {
                sku: line.sku,
                location: line.location,
                reservation: self.reservation.id.clone(),
                line: line.line,
                quantity,
                expired_at,
                expires_at,
                after,
                cause: cause.clone(),
            })
        });
        held.collect()
    }

    /// Changes the priority of a waiting reservation, and how long it waits from now on.
    pub(super) fn change_wait(
        mut self,
        now: Timestamp,
        priority: Option<u8>,
        seconds: Option<u32>,
    ) -> Result<Vec<Event>, Rejection> {
        let (Some(waited_until), Some(waited_with)) =
            (self.reservation.wait_until, self.reservation.priority)
        else {
            return Err(self.wrong_state());
        };
        if self.reservation.status != ReservationStatus::Waiting {
            return Err(self.wrong_state());
        }
        let priority = priority.unwrap_or(waited_with);
        let wait_until = seconds.map_or(waited_until, |seconds| expiry(now, seconds));
        if (priority, wait_until) == (waited_with, waited_until) {
            return Ok(Vec::new());
        }
        let expires_at = wait_until + self.ttl();
        let cause = self.cause;
        let moved = self.move_holds(expires_at, cause);
        self.stock.extend(moved);
        self.reservation.wait_until = Some(wait_until);
        self.reservation.priority = Some(priority);
        for line in self.reservation.lines.clone() {
            if line.waiting == 0 {
                continue;
            }
            let after = self.ledger.figures(&line.sku, &line.location);
            self.stock.push(Event::StockWaitlistChanged(WaitChanged {
                sku: line.sku,
                location: line.location,
                reservation: self.reservation.id.clone(),
                line: line.line,
                quantity: line.waiting,
                priority,
                waited_until,
                wait_until,
                expires_at,
                after,
                cause: cause.clone(),
            }));
        }
        self.record(Event::ReservationWaitlistChanged)
    }

    /// Ends waiting: what waits leaves, what is filled is released.
    pub(super) fn end_waiting(&mut self, now: Timestamp) {
        let is_over = self.reservation.expires_at <= now;
        for nth in 0..self.reservation.lines.len() {
            self.reservation.lines[nth].waiting = 0;
            let line = self.reservation.lines[nth].clone();
            let (reservation, why) = (&self.reservation, WhyLeft::Ended);
            // Others may have let it leave before.
            let left = self.ledger.leave(reservation, &line, why, self.cause);
            self.stock.extend(left.map(Event::StockWaitlistLeft));
            let held = line.open();
            if is_over {
                let hold = Hold::new(reservation.expires_at, &reservation.id, line.line);
                self.ledger.end(&line.sku, &line.location, &hold);
            } else if held > 0 {
                let after = self.ledger.change(&line.sku, &line.location, -held, 0);
                self.stock.push(Event::StockReleased(self.held(&line, held, after)));
            }
            self.reservation.lines[nth].released += held;
        }
        self.reservation.expires_at = self.reservation.wait_until.unwrap_or(now);
    }
}
