//! Reservations in the sample log: each step with what it does to the stock of its lines.

use shared_events::event::{
    Cause, Event, Figures, HeldStock, HoldExtended, PromisedStock, Reference, ReservationStep,
};
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::slot::slot_of;
use shared_events::stream::Stream;
use shared_events::values::{LocationCode, ReservationId, Sku};
use uuid::Uuid;

use super::{Log, at, place};

/// What becomes of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Extend,
    Confirm,
    Release,
    Expire,
    Cancel,
    Fulfil,
    Return,
}

impl Step {
    pub(crate) const ALL: [Self; 7] = [
        Self::Extend,
        Self::Confirm,
        Self::Release,
        Self::Expire,
        Self::Cancel,
        Self::Fulfil,
        Self::Return,
    ];
}

impl Log {
    /// Holds of each line (sku, location, requested, held) what is held of it. The reservation is
    /// named by its place among all of the log.
    pub(crate) fn reserve(&mut self, lines: &[(&str, &str, i64, i64)]) -> usize {
        let which = self.reservations.len();
        let line = |(number, line): (u32, &(&str, &str, i64, i64))| ReservationLine {
            line: number,
            sku: line.0.parse().expect("a sku"),
            location: place(line.1),
            requested: line.2,
            quantity: line.3,
            released: 0,
            fulfilled: 0,
            returned: 0,
        };
        let reservation = Reservation {
            id: ReservationId::new(slot_of(lines[0].0), Uuid::from_u128(which as u128)),
            owner: "customer-7".parse().expect("an owner"),
            status: ReservationStatus::Held,
            expires_at: at(1_000),
            reference: Some(document("cart", "c-1")),
            lines: (1..).zip(lines).map(line).collect(),
        };
        self.record_step(&reservation, &[], Event::ReservationHeld);
        for line in reservation.lines.iter().filter(|line| line.quantity > 0) {
            let delta = Figures { reserved: line.quantity, ..Figures::default() };
            let hold = held(&reservation, line, line.quantity);
            self.change_line(line, delta, |sku, location, after| {
                Event::StockReserved(hold(sku, location, after))
            });
        }
        self.reservations.push(reservation);
        which
    }

    /// How many there are.
    pub(crate) fn reservations(&self) -> usize {
        self.reservations.len()
    }

    /// Whether the rules allow a step of a reservation.
    pub(crate) fn allows(&self, which: usize, step: Step) -> bool {
        let status = self.reservations[which].status;
        match step {
            Step::Extend | Step::Confirm | Step::Release | Step::Expire => {
                status == ReservationStatus::Held
            }
            Step::Cancel | Step::Fulfil => status == ReservationStatus::Confirmed,
            Step::Return => {
                matches!(status, ReservationStatus::Confirmed | ReservationStatus::Fulfilled)
            }
        }
    }

    /// What a step of the whole reservation is about.
    pub(crate) fn whole(&self, which: usize, step: Step) -> Vec<Part> {
        let lines = self.reservations[which].lines.iter();
        let part = |line: &ReservationLine| Part {
            line: line.line,
            quantity: if step == Step::Return { line.returnable() } else { line.open() },
        };
        lines.map(part).filter(|part| part.quantity > 0).collect()
    }

    /// Takes a step with parts of a reservation, whether its rules allow it or not.
    pub(crate) fn step(&mut self, which: usize, step: Step, parts: &[Part]) {
        let mut after = self.reservations[which].clone();
        for part in parts {
            count(&mut after, *part, step);
        }
        after.status = status_after(&after, step);
        match step {
            Step::Extend => after.expires_at = at(2_000),
            Step::Confirm => after.reference = Some(document("order", "o-1")),
            Step::Release | Step::Expire | Step::Cancel | Step::Fulfil | Step::Return => {}
        }
        self.record_step(&after, parts, event_of(step));
        for part in parts {
            let line = after.lines[part.line as usize - 1].clone();
            self.change_part(&after, &line, part.quantity, step);
        }
        self.reservations[which] = after;
    }

    fn change_part(
        &mut self,
        after: &Reservation,
        line: &ReservationLine,
        quantity: i64,
        step: Step,
    ) {
        let delta = |on_hand, reserved, allocated| Figures { on_hand, reserved, allocated };
        let hold = held(after, line, quantity);
        let promise = promised(after, line, quantity);
        match step {
            Step::Extend => self.change_line(line, delta(0, 0, 0), |sku, location, figures| {
                let HeldStock { reservation, line, expires_at, cause, .. } =
                    hold(sku.clone(), location.clone(), figures);
                Event::StockHoldExtended(HoldExtended {
                    sku,
                    location,
                    reservation,
                    line,
                    quantity,
                    expired_at: at(1_000),
                    expires_at,
                    after: figures,
                    cause,
                })
            }),
            Step::Confirm => {
                self.change_line(line, delta(0, -quantity, quantity), |s, l, after| {
                    Event::StockAllocated(hold(s, l, after))
                })
            }
            Step::Release => self.change_line(line, delta(0, -quantity, 0), |s, l, after| {
                Event::StockReleased(hold(s, l, after))
            }),
            Step::Expire => self.change_line(line, delta(0, -quantity, 0), |s, l, after| {
                Event::StockHoldExpired(hold(s, l, after))
            }),
            Step::Cancel => self.change_line(line, delta(0, 0, -quantity), |s, l, after| {
                Event::StockDeallocated(promise(s, l, after))
            }),
            Step::Fulfil => {
                self.change_line(line, delta(-quantity, 0, -quantity), |s, l, after| {
                    Event::StockFulfilled(promise(s, l, after))
                })
            }
            Step::Return => self.change_line(line, delta(quantity, 0, 0), |s, l, after| {
                Event::StockReturned(promise(s, l, after))
            }),
        }
    }

    fn change_line(
        &mut self,
        line: &ReservationLine,
        delta: Figures,
        event: impl FnOnce(Sku, LocationCode, Figures) -> Event,
    ) {
        self.change_stock(line.sku.as_str(), line.location.as_str(), delta, event);
    }

    fn record_step(
        &mut self,
        after: &Reservation,
        parts: &[Part],
        event: fn(ReservationStep) -> Event,
    ) {
        let cause = Cause { reference: after.reference.clone(), ..Cause::default() };
        let step = ReservationStep { parts: parts.to_vec(), after: after.clone(), cause };
        self.record(Stream::Reservation(after.id.clone()), &event(step));
    }
}

fn count(after: &mut Reservation, part: Part, step: Step) {
    let line = &mut after.lines[part.line as usize - 1];
    match step {
        Step::Extend | Step::Confirm => {}
        Step::Release | Step::Expire | Step::Cancel => line.released += part.quantity,
        Step::Fulfil => line.fulfilled += part.quantity,
        Step::Return => line.returned += part.quantity,
    }
}

fn status_after(after: &Reservation, step: Step) -> ReservationStatus {
    let is_open = after.lines.iter().any(|line| line.open() > 0);
    let is_fulfilled = after.lines.iter().any(|line| line.fulfilled > 0);
    match step {
        Step::Confirm => ReservationStatus::Confirmed,
        Step::Expire => ReservationStatus::Expired,
        Step::Extend | Step::Return => after.status,
        Step::Release | Step::Cancel | Step::Fulfil if is_open => after.status,
        Step::Release => ReservationStatus::Released,
        Step::Cancel if !is_fulfilled => ReservationStatus::Cancelled,
        Step::Cancel | Step::Fulfil => ReservationStatus::Fulfilled,
    }
}

fn event_of(step: Step) -> fn(ReservationStep) -> Event {
    match step {
        Step::Extend => Event::ReservationExtended,
        Step::Confirm => Event::ReservationConfirmed,
        Step::Release => Event::ReservationReleased,
        Step::Expire => Event::ReservationExpired,
        Step::Cancel => Event::ReservationCancelled,
        Step::Fulfil => Event::ReservationFulfilled,
        Step::Return => Event::ReservationReturned,
    }
}

fn held(
    reservation: &Reservation,
    line: &ReservationLine,
    quantity: i64,
) -> impl FnOnce(Sku, LocationCode, Figures) -> HeldStock + use<> {
    let (id, line, expires_at) = (reservation.id.clone(), line.line, reservation.expires_at);
    let cause = Cause { reference: reservation.reference.clone(), ..Cause::default() };
    move |sku, location, after| HeldStock {
        sku,
        location,
        reservation: id,
        line,
        quantity,
        expires_at,
        after,
        cause,
    }
}

fn promised(
    reservation: &Reservation,
    line: &ReservationLine,
    quantity: i64,
) -> impl FnOnce(Sku, LocationCode, Figures) -> PromisedStock + use<> {
    let (id, line) = (reservation.id.clone(), line.line);
    move |sku, location, after| PromisedStock {
        sku,
        location,
        reservation: id,
        line,
        quantity,
        after,
        cause: Cause::default(),
    }
}

fn document(kind: &str, id: &str) -> Reference {
    let label = |text: &str| text.parse().expect("a label");
    Reference { kind: label(kind), id: label(id), line: None }
}
