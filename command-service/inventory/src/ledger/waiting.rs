//! Those who wait for the stock that a command touches.

use shared_events::event::{
    Cause, Event, Figures, FilledStock, UnqueuedStock, WaitlistedStock, WhyLeft,
};
use shared_events::lane::Version;
use shared_events::reservation::{Fill, Reservation, ReservationLine};
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};

use super::{Ledger, Running};
use crate::queue::{Place, Waiter};
use crate::rejection::Rejection;
use crate::state::Hold;

/// The most entries of queues that one command fills or lets leave, so that it always fits into a
/// transaction; but at least one of each stock that it touches. The next command on that stock goes on.
pub(super) const SERVED_MAX: usize = 1_000;

impl Running {
    /// Lets those leave who have waited as long as they would, then gives what is available to those who
    /// can use it, in their order. Nothing else does either. The ledger comes here with every stock that a
    /// command touches: when it is touched, and when the command is done.
    pub(super) fn serve(
        &mut self,
        (sku, location): (&Sku, &LocationCode),
        now: Timestamp,
        served: &mut usize,
        events: &mut Vec<Event>,
    ) {
        while *served < SERVED_MAX || !self.was_served {
            let ended = self.let_leave(sku, location, now).map(Event::StockWaitlistLeft);
            let next = ended
                .or_else(|| self.fill_first(sku, location, now).map(Event::StockWaitlistFilled));
            let Some(event) = next else { break };
            self.was_served = true;
            *served += 1;
            events.push(event);
        }
        self.has_more = self.queue.first_ended(now).is_some()
            || self.queue.first_fitting(self.figures.available()).is_some();
    }

    fn let_leave(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        now: Timestamp,
    ) -> Option<UnqueuedStock> {
        let waiter = self.queue.first_ended(now)?.clone();
        let quantity = waiter.quantity;
        Some(self.unqueue(sku, location, &waiter, quantity, WhyLeft::Ended, &Cause::default()))
    }

    fn unqueue(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        waiter: &Waiter,
        quantity: i64,
        why: WhyLeft,
        cause: &Cause,
    ) -> UnqueuedStock {
        let waiting = waiter.quantity - quantity;
        self.queue.leave(&waiter.end(), waiting);
        self.figures.waiting -= quantity;
        UnqueuedStock {
            sku: sku.clone(),
            location: location.clone(),
            reservation: waiter.reservation.clone(),
            line: waiter.line,
            quantity,
            waiting,
            wait_until: waiter.wait_until,
            why,
            more_due_at: None,
            after: self.figures,
            cause: cause.clone(),
        }
    }

    fn fill_first(
        &mut self,
        sku: &Sku,
        location: &LocationCode,
        now: Timestamp,
    ) -> Option<FilledStock> {
        let (place, waiter, quantity) = self.queue.first_fitting(self.figures.available())?;
        let (waiter, passed_over) = (waiter.clone(), self.queue.passed_over(place));
        let waiting = waiter.quantity - quantity;
        self.queue.fill(&waiter.end(), waiting, now);
        self.holds.change(Hold::new(waiter.expires_at, &waiter.reservation, waiter.line), quantity);
        self.figures.waiting -= quantity;
        self.figures.reserved += quantity;
        Some(FilledStock {
            sku: sku.clone(),
            location: location.clone(),
            reservation: waiter.reservation,
            line: waiter.line,
            quantity,
            waiting,
            priority: place.priority(),
            wait_until: waiter.wait_until,
            expires_at: waiter.expires_at,
            filled_at: now,
            passed_over,
            more_due_at: None,
            after: self.figures,
            cause: Cause::default(),
        })
    }

    /// The figures for those who take from what is available. Nobody gets in between while more waiters can
    /// be filled than one command fills: what all of them want counts as held.
    pub(super) fn claimable(&self) -> Figures {
        let available = self.figures.available().max(0);
        let due = if self.has_more { self.figures.waiting.min(available) } else { 0 };
        Figures { reserved: self.figures.reserved + due, ..self.figures }
    }
}

impl Ledger<'_> {
    /// What a new command may take: what is available and no waiter can use.
    pub(crate) fn free(&mut self, sku: &Sku, location: &LocationCode) -> i64 {
        self.running(sku, location).claimable().available().max(0)
    }

    /// Lets what a line of a reservation lacks wait, unless the item is retired or the figure would become
    /// too large.
    pub(crate) fn wait(
        &mut self,
        reservation: &Reservation,
        line: &ReservationLine,
        fill: Fill,
        cause: &Cause,
    ) -> Result<WaitlistedStock, Rejection> {
        let (sku, location) = (&line.sku, &line.location);
        let after = self.add(sku, location, line.waiting, |figures| &mut figures.waiting)?;
        let priority = reservation.priority.unwrap_or_default();
        let waiter = Waiter {
            reservation: reservation.id.clone(),
            line: line.line,
            quantity: line.waiting,
            fill,
            wait_until: reservation.wait_until.unwrap_or(reservation.expires_at),
            expires_at: reservation.expires_at,
        };
        let waitlisted = WaitlistedStock {
            sku: sku.clone(),
            location: location.clone(),
            reservation: reservation.id.clone(),
            line: line.line,
            owner: reservation.owner.clone(),
            quantity: line.waiting,
            priority,
            fill,
            wait_until: waiter.wait_until,
            expires_at: waiter.expires_at,
            after,
            cause: cause.clone(),
        };
        // What the command freed besides is given with this waiter in the queue, behind its equals.
        let behind = Version(i64::MAX - i64::from(u32::MAX) + i64::from(line.line));
        self.running(sku, location).queue.join(Place::new(priority, behind), waiter);
        Ok(waitlisted)
    }

    /// Lets a line leave the queue with all that waits there beyond what still waits of the line.
    pub(crate) fn leave(
        &mut self,
        reservation: &Reservation,
        line: &ReservationLine,
        why: WhyLeft,
        cause: &Cause,
    ) -> Option<UnqueuedStock> {
        let end = (reservation.wait_until?, reservation.id.clone(), line.line);
        let running = self.running(&line.sku, &line.location);
        let waiter = running.queue.find(&end)?.clone();
        let quantity = waiter.quantity - line.waiting;
        (quantity > 0)
            .then(|| running.unqueue(&line.sku, &line.location, &waiter, quantity, why, cause))
    }

    /// What is held for a line of a reservation, and when it was filled to the end, if it was and the
    /// reservation's own stream has not followed yet.
    pub(crate) fn held(
        &mut self,
        reservation: &Reservation,
        line: &ReservationLine,
    ) -> (i64, Option<Timestamp>) {
        let running = self.running(&line.sku, &line.location);
        let hold = Hold::new(reservation.expires_at, &reservation.id, line.line);
        let filled_at = running.queue.filled_at(&reservation.id, line.line);
        (running.holds.quantity(&hold), filled_at)
    }
}

/// Says with the last event of each stock's queue whether more could be served than the command did, so that
/// somebody goes on.
pub(super) fn mark_more(
    events: &mut [Event],
    (sku, location): (&Sku, &LocationCode),
    now: Timestamp,
) {
    for event in events.iter_mut().rev() {
        match event {
            Event::StockWaitlistFilled(filled)
                if (&filled.sku, &filled.location) == (sku, location) =>
            {
                filled.more_due_at = Some(now);
                return;
            }
            Event::StockWaitlistLeft(left) if (&left.sku, &left.location) == (sku, location) => {
                left.more_due_at = Some(now);
                return;
            }
            _ => {}
        }
    }
}
