//! A step of a reservation in the making.

use shared_events::event::{
    AllocatedStock, Cause, Event, Figures, HeldStock, Reference, ReservationStep, WhyLeft,
};
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::time::Timestamp;

use super::{parts, parts_of};
use crate::ledger::Ledger;
use crate::rejection::Rejection;

/// A step of a reservation in the making: the reservation after it and its stock events.
pub(super) struct Draft<'a> {
    pub(super) ledger: Ledger<'a>,
    pub(super) reservation: Reservation,
    pub(super) cause: &'a Cause,
    pub(super) parts: Vec<Part>,
    pub(super) stock: Vec<Event>,
    /// What the reservation learns before the step: see [`Self::follow`].
    pub(super) followed: Vec<Event>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(ledger: Ledger<'a>, reservation: Reservation, cause: &'a Cause) -> Self {
        let (parts, stock, followed) = (Vec::new(), Vec::new(), Vec::new());
        Self { ledger, reservation, cause, parts, stock, followed }
    }

    pub(super) fn wrong_state(&self) -> Rejection {
        Rejection::ReservationState { status: self.reservation.status }
    }

    /// A step that was done before. It changes nothing, unless it names another document than then,
    /// which would be dropped in silence.
    pub(super) fn repeated(&self, recorded: Option<&Reference>) -> Result<Vec<Event>, Rejection> {
        match &self.cause.reference {
            Some(asked) if Some(asked) != recorded => Err(Rejection::DoneForAnother {
                status: self.reservation.status,
                reference: recorded.cloned(),
            }),
            _ => Ok(Vec::new()),
        }
    }

    /// The lines with an open quantity, and that quantity.
    pub(super) fn open_lines(&self) -> Vec<(ReservationLine, i64)> {
        let open = self.reservation.lines.iter().map(|line| (line.clone(), line.open()));
        open.filter(|(_, open)| *open > 0).collect()
    }

    /// Books the parts on their lines and returns those lines with the booked quantities.
    pub(super) fn book_parts(
        &mut self,
        book: fn(&mut ReservationLine, i64),
    ) -> Vec<(ReservationLine, i64)> {
        parts::book(&mut self.reservation.lines, |line| line.line, &self.parts, book)
    }

    /// Releases parts, or all that is left: of each line first what waits, then what is held. What does not
    /// wait any more is held from `now` on.
    pub(super) fn release(
        &mut self,
        asked: Option<&[Part]>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let over = |part| Rejection::OverRelease { part };
        self.parts = parts_of(&self.reservation.lines, asked, ReservationLine::releasable, over)?;
        let booked = self.book_parts(|line, quantity| {
            let waited = quantity.min(line.waiting);
            line.waiting -= waited;
            line.released += quantity - waited;
        });
        for (line, quantity) in booked {
            let (reservation, why) = (&self.reservation, WhyLeft::Released);
            let left = self.ledger.leave(reservation, &line, why, self.cause);
            let held = quantity - left.as_ref().map_or(0, |left| left.quantity);
            self.stock.extend(left.map(Event::StockWaitlistLeft));
            if held > 0 {
                let after = self.ledger.change(&line.sku, &line.location, -held, 0);
                self.stock.push(Event::StockReleased(self.held(&line, held, after)));
            }
        }
        if self.nothing_is_open() && !self.waits() {
            self.reservation.status = ReservationStatus::Released;
        } else if self.reservation.status == ReservationStatus::Waiting && !self.waits() {
            let extended = self.hold_from(now);
            self.stock.extend(extended);
        }
        Ok(())
    }

    pub(super) fn nothing_is_open(&self) -> bool {
        self.reservation.lines.iter().all(|line| line.open() == 0)
    }

    pub(super) fn waits(&self) -> bool {
        self.reservation.lines.iter().any(|line| line.waiting > 0)
    }

    pub(super) fn held(&self, line: &ReservationLine, quantity: i64, after: Figures) -> HeldStock {
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

    pub(super) fn allocated(
        &self,
        line: &ReservationLine,
        quantity: i64,
        after: Figures,
    ) -> AllocatedStock {
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
    pub(super) fn book(self, step: fn(ReservationStep) -> Event) -> (Ledger<'a>, Vec<Event>) {
        let Self { ledger, reservation, cause, parts, stock, followed } = self;
        let own =
            step(ReservationStep { parts, after: reservation, order: None, cause: cause.clone() });
        (ledger, followed.into_iter().chain([own]).chain(stock).collect())
    }

    /// The events: what was due before, then the reservation's step, then its stock events.
    pub(super) fn record(
        self,
        step: fn(ReservationStep) -> Event,
    ) -> Result<Vec<Event>, Rejection> {
        let (ledger, events) = self.book(step);
        ledger.finish(events)
    }

    /// The same for a step in parts; without parts there is no step.
    pub(super) fn record_parts(
        self,
        step: fn(ReservationStep) -> Event,
    ) -> Result<Vec<Event>, Rejection> {
        if self.parts.is_empty() { Ok(Vec::new()) } else { self.record(step) }
    }
}
