//! What an order asks of stock: a hold, or a place in the queue until there is one.

use std::time::Duration;

use shared_events::event::{Cause, Event, Reference};
use shared_events::order::{OrderLine, OrderPolicy, OrderStatus, StepName, StepStatus};
use shared_events::payment::RequestKind;
use shared_events::reservation::{Fill, Reservation, ReservationStatus};
use shared_events::time::Timestamp;

use super::{Draft, reservation};
use crate::command::{Policy, ReserveStock, Step, StockLine, Wait};
use crate::rejection::Rejection;

/// How much longer than the order its hold lasts at least, so that it is there when a payment comes in time.
const HOLD_BEYOND: Duration = Duration::from_secs(60);

impl Draft<'_> {
    pub(super) fn reserve(&mut self) -> Result<(), Rejection> {
        let command = ReserveStock {
            id: self.order.id.reservation(),
            owner: self.order.owner.clone(),
            lines: self.order.lines.iter().map(stock_line).collect(),
            ttl_seconds: self.seconds_until(self.order.deadline + HOLD_BEYOND),
            policy: self.policy(),
            replaces: None,
            cause: Cause { reference: Some(self.document()), ..Cause::default() },
        };
        let held = reservation::reserve_known(self.inventory, self.now, &command, None);
        let mut events = match held {
            Ok(events) => events,
            Err(rejection) => return self.fail(StepName::Reserve, &rejection),
        };
        let mut made = None;
        for event in &mut events {
            if let Event::ReservationHeld(step) | Event::ReservationWaitlisted(step) = event {
                step.order = Some(self.order.id.clone());
                made = Some(step.after.clone());
            }
        }
        self.stock.extend(events);
        self.order.reservation = Some(command.id);
        match made {
            Some(made) if made.status == ReservationStatus::Waiting => self.wait(&made),
            made => self.reserved(made.as_ref()),
        }
        Ok(())
    }

    /// What its hold lasts and how long it waits count whole seconds: one more, for the part that is cut off.
    fn seconds_until(&self, moment: Timestamp) -> u32 {
        let left = moment.to_utc() - self.now.to_utc();
        u32::try_from(left.num_seconds() + 1).unwrap_or(u32::MAX)
    }

    fn policy(&self) -> Policy {
        let until = self.order.wait_until.unwrap_or(self.order.deadline);
        match self.order.policy {
            OrderPolicy::Partial => Policy::Partial,
            OrderPolicy::Wait if until > self.now => Policy::Wait(Wait {
                seconds: self.seconds_until(until),
                priority: Wait::PRIORITY,
                fill: Fill::Parts,
            }),
            // Nobody may have looked before its waiting was over.
            OrderPolicy::Wait | OrderPolicy::All => Policy::All,
        }
    }

    fn wait(&mut self, made: &Reservation) {
        self.order.status = OrderStatus::Waiting;
        self.order.wait_until = made.wait_until;
        self.record(Event::OrderWaitlisted);
    }

    fn reserved(&mut self, made: Option<&Reservation>) {
        let held = made.into_iter().flat_map(|reservation| &reservation.lines);
        for (line, held) in self.order.lines.iter_mut().zip(held) {
            line.quantity = held.open();
        }
        self.order.status = OrderStatus::AwaitingPayment;
        self.step(StepName::Reserve, StepStatus::Done, None);
        self.record(Event::OrderReserved);
        self.ask(StepName::Authorise, RequestKind::Authorise);
    }

    /// Learns what the reservation got of what it waits for. The sweeper asks when it was filled, and at the end
    /// of waiting.
    pub(super) fn follow(&mut self) -> Result<(), Rejection> {
        let events = self.change_reservation(Step::Settle)?;
        let followed = events.iter().rev().find_map(Event::reservation_step);
        let known = self.inventory.reservation(&self.order.id.reservation());
        let known = || known.and_then(|state| state.details.as_ref());
        let Some(now) = followed.map(|step| &step.after).or_else(known).cloned() else {
            return Ok(());
        };
        match now.status {
            ReservationStatus::Waiting => {
                self.stock.extend(events);
                // Somebody may have let it wait longer.
                if now.wait_until != self.order.wait_until {
                    self.wait(&now);
                }
                Ok(())
            }
            ReservationStatus::Held | ReservationStatus::Confirmed => {
                self.stock.extend(events);
                self.reserved(Some(&now));
                Ok(())
            }
            ReservationStatus::Expired => {
                self.fail(StepName::Reserve, &Rejection::ReservationExpired {})
            }
            status @ (ReservationStatus::Fulfilled
            | ReservationStatus::Released
            | ReservationStatus::Cancelled) => {
                self.fail(StepName::Reserve, &Rejection::ReservationState { status })
            }
        }
    }

    /// The document that the order's stock is held for: the caller's, or the order itself.
    fn document(&self) -> Reference {
        self.order.reference.clone().unwrap_or_else(|| Reference {
            kind: "order".parse().expect("a word is a label"),
            id: self.order.id.as_str().parse().expect("an id is short and printable"),
            line: None,
        })
    }
}

fn stock_line(line: &OrderLine) -> StockLine {
    StockLine {
        sku: line.sku.clone(),
        location: line.location.clone(),
        quantity: line.requested,
        expected_version: None,
    }
}
