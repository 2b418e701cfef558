//! Orders in answers.

use serde::Serialize;
use serde_json::Value;
use shared_events::event::Reference;
use shared_events::lane::{EventId, Version};
use shared_events::order::{Order, OrderLine, OrderStatus, ProcessStep, StepName, StepStatus};
use shared_events::time::Timestamp;
use shared_events::values::{Label, OrderId, ReservationId};
use utoipa::ToSchema;

use super::shapes::{OrderLineShape, ReferenceShape, order_status, step_name, step_status};

/// A process that holds stock, has it paid and promises it firmly, or undoes all of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderAnswer {
    #[schema(value_type = String, example = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    id: OrderId,
    #[schema(value_type = String)]
    owner: Label,
    #[schema(schema_with = order_status)]
    status: OrderStatus,
    /// The reservation that holds its stock, or waits for it; null before that.
    #[schema(value_type = Option<String>, required = true)]
    reservation: Option<ReservationId>,
    /// When it ends unless it is paid.
    #[schema(value_type = String, format = DateTime)]
    deadline: Timestamp,
    #[schema(value_type = Option<ReferenceShape>, inline)]
    reference: Option<Reference>,
    #[schema(value_type = Vec<OrderLineShape>, inline)]
    lines: Vec<OrderLine>,
    /// The steps that have begun, in the order in which they did.
    steps: Vec<StepAnswer>,
}

/// A step of an order.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OrderStep)]
pub(crate) struct StepAnswer {
    #[schema(schema_with = step_name)]
    name: StepName,
    #[schema(schema_with = step_status)]
    status: StepStatus,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The event that says so, if this command recorded it; a query returns that of every step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "3-1042")]
    event: Option<EventId>,
    /// The problem that refused it, or what the payment service replied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    detail: Option<Value>,
    #[serde(skip)]
    version: Version,
}

impl OrderAnswer {
    /// The order after an event with its place in the log, if it has one, and after `earlier` ones of the
    /// same command.
    pub(super) fn of(
        order: &Order,
        earlier: Option<Self>,
        place: Option<(EventId, Version)>,
    ) -> Self {
        let known = |step: &ProcessStep| match place {
            Some((id, version)) if version == step.version => Some(id),
            _ => {
                let steps = earlier.as_ref().map_or(&[][..], |earlier| &earlier.steps);
                steps.iter().find(|one| one.version == step.version).and_then(|one| one.event)
            }
        };
        let step = |step: &ProcessStep| StepAnswer {
            name: step.name,
            status: step.status,
            at: step.at,
            event: known(step),
            detail: step.detail.clone(),
            version: step.version,
        };
        Self {
            id: order.id.clone(),
            owner: order.owner.clone(),
            status: order.status,
            reservation: order.reservation.clone(),
            deadline: order.deadline,
            reference: order.reference.clone(),
            lines: order.lines.clone(),
            steps: order.steps.iter().map(step).collect(),
        }
    }
}

impl From<Order> for OrderAnswer {
    fn from(order: Order) -> Self {
        Self::of(&order, None, None)
    }
}
