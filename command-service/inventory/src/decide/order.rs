//! Rules of orders: what a process does next, and what it undoes.
//!
//! A step of an order and its effect on stock are one decision and so one transaction: a crash falls before
//! both or after both. Only the payment service is outside; it is asked by an event, which a publisher sends on,
//! and asked again until it replies. Deadlines are never cancelled: when one passes, the state decides.

mod stock;

use std::time::Duration;

use serde_json::{Value, json};
use shared_events::event::{Cause, Event, OrderStep};
use shared_events::lane::Version;
use shared_events::order::{
    Asked, Order, OrderLine, OrderStatus, ProcessStep, StepName, StepStatus,
};
use shared_events::payment::{PaymentDetails, PaymentOutcome, RequestKind};
use shared_events::time::Timestamp;

use super::{check_precondition, reservation};
use crate::command::{ChangeOrder, ChangeReservation, OrderChange, PlaceOrder, Reply, Step};
use crate::ledger::Ledger;
use crate::rejection::Rejection;
use crate::working_set::Inventory;

/// The pause before the payment service is asked again. Each is twice the one before, up to the longest.
const AGAIN_FIRST: Duration = Duration::from_secs(5);
const AGAIN_MAX: Duration = Duration::from_secs(60 * 60);

pub(super) fn place(
    inventory: &Inventory,
    now: Timestamp,
    command: &PlaceOrder,
) -> Result<Vec<Event>, Rejection> {
    let after = |seconds: u32| now + Duration::from_secs(u64::from(seconds));
    let deadline = after(command.deadline_seconds);
    let order = Order {
        id: command.id.clone(),
        owner: command.owner.clone(),
        status: OrderStatus::Placed,
        reservation: None,
        deadline,
        policy: command.policy,
        wait_until: command.wait_seconds.map(|seconds| after(seconds).min(deadline)),
        reference: command.cause.reference.clone(),
        lines: command.lines.clone(),
        steps: Vec::new(),
        asked: None,
        due_at: None,
    };
    let mut draft = Draft::new(inventory, now, Version::default(), order, &command.cause);
    draft.step(StepName::Reserve, StepStatus::Pending, None);
    draft.record_with(Some(command.payment.clone()), Event::OrderPlaced);
    // Locations are read without a lock, by the lines of the command that names them. None goes away, so
    // what is known now is known when stock is held.
    let ledger = Ledger::new(inventory, now);
    let known = |line: &OrderLine| ledger.check_known(&line.sku, &line.location);
    if let Err(rejection) = command.lines.iter().try_for_each(known) {
        draft.fail(StepName::Reserve, &rejection)?;
    }
    Ok(draft.into_events())
}

pub(super) fn change_order(
    inventory: &Inventory,
    now: Timestamp,
    command: &ChangeOrder,
) -> Result<Vec<Event>, Rejection> {
    let unknown = || Rejection::UnknownOrder { id: command.id.clone() };
    let state = inventory.order(&command.id).ok_or_else(unknown)?;
    let before = state.details.as_deref().ok_or_else(unknown)?;
    check_precondition(command.precondition, state.version)?;
    let mut draft = Draft::new(inventory, now, state.version, before.clone(), &command.cause);
    match &command.change {
        OrderChange::Continue { operator_after } => draft.go_on(*operator_after)?,
        OrderChange::Reply(reply) => draft.reply(reply)?,
        OrderChange::Cancel => draft.cancel()?,
        OrderChange::Resume => draft.resume()?,
    }
    Ok(draft.into_events())
}

/// An order in the making, with the events so far: of its stock, and its own.
struct Draft<'a> {
    inventory: &'a Inventory,
    now: Timestamp,
    version: Version,
    order: Order,
    cause: &'a Cause,
    stock: Vec<Event>,
    own: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(
        inventory: &'a Inventory,
        now: Timestamp,
        version: Version,
        order: Order,
        cause: &'a Cause,
    ) -> Self {
        Self { inventory, now, version, order, cause, stock: Vec::new(), own: Vec::new() }
    }

    /// Those of the stock first: they may begin with the ends of expired holds.
    fn into_events(self) -> Vec<Event> {
        self.stock.into_iter().chain(self.own).collect()
    }

    /// Does what is due: holds stock, asks again, or gives up.
    fn go_on(&mut self, operator_after: Duration) -> Result<(), Rejection> {
        match self.order.status {
            OrderStatus::Placed | OrderStatus::Waiting | OrderStatus::AwaitingPayment
                if self.is_too_late() =>
            {
                self.time_out()
            }
            OrderStatus::Placed => self.reserve(),
            OrderStatus::Waiting => self.follow(),
            OrderStatus::AwaitingPayment
            | OrderStatus::Confirmed
            | OrderStatus::Declined
            | OrderStatus::TimedOut
            | OrderStatus::Cancelled
            | OrderStatus::Failed => {
                self.ask_again(operator_after);
                Ok(())
            }
        }
    }

    fn is_too_late(&self) -> bool {
        self.order.deadline <= self.now
    }

    fn reply(&mut self, reply: &Reply) -> Result<(), Rejection> {
        let asked = match reply.outcome {
            PaymentOutcome::Authorised | PaymentOutcome::Declined => RequestKind::Authorise,
            PaymentOutcome::Voided => RequestKind::Void,
        };
        if reply.request != asked.request(&self.order.id) {
            return Ok(());
        }
        if self.order.status == OrderStatus::AwaitingPayment && self.is_too_late() {
            self.time_out()?;
        }
        match reply.outcome {
            PaymentOutcome::Authorised => self.authorised(reply),
            PaymentOutcome::Declined => self.declined(reply),
            PaymentOutcome::Voided => {
                self.voided();
                Ok(())
            }
        }
    }

    /// The money is set aside. If the order has ended meanwhile, its void is asked for already.
    fn authorised(&mut self, reply: &Reply) -> Result<(), Rejection> {
        if self.order.step(StepName::Authorise) != Some(StepStatus::Pending) {
            return Ok(());
        }
        self.step(StepName::Authorise, StepStatus::Done, detail_of(reply));
        let is_open = self.order.status == OrderStatus::AwaitingPayment;
        if is_open {
            self.order.asked = None;
        }
        self.record(Event::PaymentAuthorised);
        if is_open { self.confirm() } else { Ok(()) }
    }

    fn confirm(&mut self) -> Result<(), Rejection> {
        match self.change_reservation(Step::Confirm) {
            Ok(events) => {
                self.stock.extend(events);
                self.order.status = OrderStatus::Confirmed;
                self.step(StepName::Confirm, StepStatus::Done, None);
                self.record(Event::OrderConfirmed);
                Ok(())
            }
            Err(rejection) => self.fail(StepName::Confirm, &rejection),
        }
    }

    /// The money is not set aside, and will not be: there is nothing to void.
    fn declined(&mut self, reply: &Reply) -> Result<(), Rejection> {
        if self.order.step(StepName::Authorise) != Some(StepStatus::Pending) {
            return Ok(());
        }
        let is_open = self.order.status == OrderStatus::AwaitingPayment;
        self.order.asked = None;
        self.step(StepName::Authorise, StepStatus::Refused, detail_of(reply));
        if !is_open {
            self.step(StepName::Void, StepStatus::Done, Some(json!({"outcome": "declined"})));
        }
        self.record(Event::PaymentDeclined);
        if is_open { self.end(OrderStatus::Declined, Event::OrderDeclined) } else { Ok(()) }
    }

    fn voided(&mut self) {
        match self.order.step(StepName::Void) {
            Some(StepStatus::Pending | StepStatus::NeedsOperator) => {}
            Some(StepStatus::Done | StepStatus::Refused) | None => return,
        }
        self.order.asked = None;
        self.step(StepName::Void, StepStatus::Done, None);
        if self.order.step(StepName::Authorise) == Some(StepStatus::Pending) {
            self.step(StepName::Authorise, StepStatus::Refused, Some(json!({"outcome": "voided"})));
        }
        self.record(Event::PaymentVoided);
    }

    fn cancel(&mut self) -> Result<(), Rejection> {
        match self.order.status {
            OrderStatus::Placed | OrderStatus::Waiting | OrderStatus::AwaitingPayment
                if self.is_too_late() =>
            {
                Err(Rejection::OrderState { status: OrderStatus::TimedOut })
            }
            OrderStatus::Placed | OrderStatus::Waiting | OrderStatus::AwaitingPayment => {
                self.end(OrderStatus::Cancelled, Event::OrderCancelled)
            }
            OrderStatus::Cancelled => Ok(()),
            OrderStatus::Confirmed
            | OrderStatus::Declined
            | OrderStatus::TimedOut
            | OrderStatus::Failed => Err(self.wrong_state()),
        }
    }

    fn resume(&mut self) -> Result<(), Rejection> {
        if self.order.step(StepName::Void) != Some(StepStatus::NeedsOperator) {
            return Err(self.wrong_state());
        }
        self.record(Event::OrderResumed);
        self.ask(StepName::Void, RequestKind::Void);
        Ok(())
    }

    fn wrong_state(&self) -> Rejection {
        Rejection::OrderState { status: self.order.status }
    }

    fn time_out(&mut self) -> Result<(), Rejection> {
        self.end(OrderStatus::TimedOut, Event::OrderTimedOut)
    }

    /// A step that is not possible ends the order.
    fn fail(&mut self, step: StepName, rejection: &Rejection) -> Result<(), Rejection> {
        self.step(step, StepStatus::Refused, Some(problem(rejection)));
        self.end(OrderStatus::Failed, Event::OrderFailed)
    }

    /// Ends the order and undoes what it did: releases its stock, and has the authorisation voided unless it
    /// is known that there is none.
    fn end(&mut self, status: OrderStatus, event: fn(OrderStep) -> Event) -> Result<(), Rejection> {
        self.order.status = status;
        self.order.asked = None;
        if self.order.step(StepName::Reserve) == Some(StepStatus::Pending) {
            self.step(StepName::Reserve, StepStatus::Refused, Some(json!({"order": status})));
        }
        if let Some(reservation) = &self.order.reservation {
            let undone = reservation::undo(self.inventory, self.now, reservation)?;
            self.stock.extend(undone);
            self.step(StepName::Release, StepStatus::Done, None);
        }
        self.record(event);
        match self.order.step(StepName::Authorise) {
            Some(StepStatus::Pending | StepStatus::Done | StepStatus::NeedsOperator) => {
                self.ask(StepName::Void, RequestKind::Void);
            }
            Some(StepStatus::Refused) | None => {}
        }
        Ok(())
    }

    fn change_reservation(&self, step: Step) -> Result<Vec<Event>, Rejection> {
        let id = self.order.id.reservation();
        let (precondition, cause) = (None, Cause::default());
        let command = ChangeReservation { id, step, precondition, cause };
        reservation::change_reservation(self.inventory, self.now, &command, None)
    }

    /// Asks the payment service for the first time, or for the first time since an operator looked.
    fn ask(&mut self, step: StepName, kind: RequestKind) {
        self.order.asked = Some(Asked {
            kind,
            request: kind.request(&self.order.id),
            attempt: 1,
            since: self.now,
            again_at: self.now + AGAIN_FIRST,
        });
        self.step(step, StepStatus::Pending, None);
        self.record(Event::PaymentRequested);
    }

    /// Asks the payment service again what it has not answered, if it is time; a void not forever.
    fn ask_again(&mut self, operator_after: Duration) {
        let now = self.now;
        let Some(asked) = self.order.asked.as_mut().filter(|asked| asked.again_at <= now) else {
            return;
        };
        if asked.kind == RequestKind::Void && asked.since + operator_after <= now {
            self.order.asked = None;
            self.step(StepName::Void, StepStatus::NeedsOperator, None);
            return self.record(Event::OrderNeedsOperator);
        }
        let pause = AGAIN_FIRST.saturating_mul(2_u32.saturating_pow(asked.attempt)).min(AGAIN_MAX);
        asked.attempt += 1;
        asked.again_at = match asked.kind {
            RequestKind::Authorise => now + pause,
            RequestKind::Void => (now + pause).min(asked.since + operator_after),
        };
        self.record(Event::PaymentRequested);
    }

    /// Notes how far a step is, with the event that is recorded next.
    fn step(&mut self, name: StepName, status: StepStatus, detail: Option<Value>) {
        let step = ProcessStep { name, status, at: self.now, version: self.version.next(), detail };
        match self.order.steps.iter_mut().find(|step| step.name == name) {
            Some(known) => *known = step,
            None => self.order.steps.push(step),
        }
    }

    fn record(&mut self, event: fn(OrderStep) -> Event) {
        self.record_with(None, event);
    }

    fn record_with(&mut self, payment: Option<PaymentDetails>, event: fn(OrderStep) -> Event) {
        self.version = self.version.next();
        self.order.due_at = self.due_at();
        let (after, cause) = (self.order.clone(), self.cause.clone());
        self.own.push(event(OrderStep { payment, after, cause }));
    }

    /// When the order goes on by itself.
    fn due_at(&self) -> Option<Timestamp> {
        let again_at = self.order.asked.as_ref().map(|asked| asked.again_at);
        match self.order.status {
            OrderStatus::Placed => Some(self.now),
            OrderStatus::Waiting => {
                let deadline = self.order.deadline;
                Some(self.order.wait_until.map_or(deadline, |until| until.min(deadline)))
            }
            OrderStatus::AwaitingPayment => {
                Some(again_at.map_or(self.order.deadline, |at| at.min(self.order.deadline)))
            }
            OrderStatus::Confirmed
            | OrderStatus::Declined
            | OrderStatus::TimedOut
            | OrderStatus::Cancelled
            | OrderStatus::Failed => again_at,
        }
    }
}

/// What the payment service said beyond its outcome.
fn detail_of(reply: &Reply) -> Option<Value> {
    match (&reply.payment_id, &reply.reason) {
        (None, None) => None,
        (Some(id), None) => Some(json!({"payment_id": id})),
        (None, Some(reason)) => Some(json!({"reason": reason})),
        (Some(id), Some(reason)) => Some(json!({"payment_id": id, "reason": reason})),
    }
}

/// Why a step was refused, in the manner of the problem that a caller would get.
fn problem(rejection: &Rejection) -> Value {
    let mut problem = serde_json::to_value(rejection).expect("a rejection is text and integers");
    if let Value::Object(members) = &mut problem {
        members.remove("rejection");
        members.insert("type".to_owned(), format!("/problems/{}", rejection.code()).into());
        members.insert("detail".to_owned(), rejection.to_string().into());
    }
    problem
}
