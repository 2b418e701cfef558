//! Orders of the log.

use serde_json::json;
use shared_events::order::{
    Order, OrderLine, OrderPolicy, OrderStatus, ProcessStep, StepName, StepStatus,
};
use shared_events::slot::slot_of;
use shared_events::stream::Stream;
use shared_events::values::OrderId;
use uuid::Uuid;

use super::{Log, at, document};

impl Log {
    /// Places an order of so much of an item at MAIN and returns its number.
    pub(crate) fn place_order(&mut self, owner: &str, sku: &str, quantity: i64) -> usize {
        let number = self.orders.len();
        let order = Order {
            id: OrderId::new(slot_of(sku), Uuid::from_u128(number as u128)),
            owner: owner.parse().expect("an owner"),
            status: OrderStatus::Placed,
            reservation: None,
            deadline: at(1_000),
            policy: OrderPolicy::Wait,
            wait_until: Some(at(500)),
            reference: Some(document("web_order", "w-1")),
            lines: vec![OrderLine {
                line: 1,
                sku: sku.parse().expect("a sku"),
                location: "MAIN".parse().expect("a location"),
                requested: quantity,
                quantity: 0,
            }],
            steps: Vec::new(),
            asked: None,
            due_at: None,
        };
        self.orders.push(order);
        let placed = OrderStatus::Placed;
        self.order_step(number, "OrderPlaced", placed, (StepName::Reserve, StepStatus::Pending));
        number
    }

    pub(crate) fn orders(&self) -> usize {
        self.orders.len()
    }

    /// Lets an order take its next step. Where there are several, `way` chooses among them.
    pub(crate) fn continue_order(&mut self, number: usize, way: i64) {
        use OrderStatus::{
            AwaitingPayment, Cancelled, Confirmed, Declined, Failed, Placed, TimedOut, Waiting,
        };
        use StepName::{Authorise, Confirm, Release, Reserve, Void};
        use StepStatus::{Done, NeedsOperator, Pending, Refused};
        let order = &self.orders[number];
        let step = match order.status {
            Placed if way % 4 == 3 => ("OrderFailed", Failed, (Reserve, Refused)),
            Placed if way % 4 == 2 => ("OrderWaitlisted", Waiting, (Reserve, Pending)),
            Waiting if way % 4 == 3 => ("OrderFailed", Failed, (Reserve, Refused)),
            Placed | Waiting => ("OrderReserved", AwaitingPayment, (Reserve, Done)),
            AwaitingPayment => match (order.step(Authorise), way % 4) {
                (None, _) => ("PaymentRequested", AwaitingPayment, (Authorise, Pending)),
                (Some(Done), _) => ("OrderConfirmed", Confirmed, (Confirm, Done)),
                (Some(Refused), _) => ("OrderDeclined", Declined, (Release, Done)),
                (Some(_), 0) => ("PaymentAuthorised", AwaitingPayment, (Authorise, Done)),
                (Some(_), 1) => ("PaymentDeclined", AwaitingPayment, (Authorise, Refused)),
                (Some(_), 2) => ("OrderTimedOut", TimedOut, (Release, Done)),
                (Some(_), _) => ("OrderCancelled", Cancelled, (Release, Done)),
            },
            TimedOut | Cancelled => match (order.step(Void), way % 2) {
                (None, _) => ("PaymentRequested", order.status, (Void, Pending)),
                (Some(Pending), 0) => ("OrderNeedsOperator", order.status, (Void, NeedsOperator)),
                (Some(Pending), _) => ("PaymentVoided", order.status, (Void, Done)),
                (Some(NeedsOperator), _) => ("OrderResumed", order.status, (Void, Pending)),
                (Some(Done | Refused), _) => return,
            },
            Confirmed | Declined | Failed => return,
        };
        let (event_type, status, step) = step;
        let order = &mut self.orders[number];
        if status == AwaitingPayment {
            order.reservation = Some(order.id.reservation());
            order.lines[0].quantity = order.lines[0].requested;
        }
        self.order_step(number, event_type, status, step);
    }

    fn order_step(
        &mut self,
        number: usize,
        event_type: &str,
        status: OrderStatus,
        (name, step_status): (StepName, StepStatus),
    ) {
        let order = &mut self.orders[number];
        let stream = Stream::Order(order.id.clone());
        let version = self.versions.get(&stream).copied().unwrap_or_default().next();
        order.status = status;
        order.steps.retain(|step| step.name != name);
        let step = ProcessStep { name, status: step_status, at: at(1), version, detail: None };
        order.steps.push(step);
        let data = json!({ "after": order, "reference": order.reference });
        self.record(stream, event_type, &data);
    }
}
