//! The commands of orders, and of holds that others pay for by events alone.

use std::time::Duration;

use shared_events::event::Cause;
use shared_events::order::{OrderLine, OrderPolicy};
use shared_events::payment::{HoldOutcome, PaymentDetails, PaymentOutcome};
use shared_events::values::{Label, OrderId, ReservationId};

use super::Precondition;

/// Begin an order: a process that holds stock, has it paid and promises it, or undoes all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceOrder {
    /// The id of the new order. It carries the slot of the first line's sku.
    pub id: OrderId,
    pub owner: Label,
    /// Numbered from 1, and nothing held of them.
    pub lines: Vec<OrderLine>,
    pub payment: PaymentDetails,
    /// How long it may take to be paid, from the recorded time.
    pub deadline_seconds: u32,
    pub policy: OrderPolicy,
    /// How long it waits for stock at most, from the recorded time; with the policy to wait only.
    pub wait_seconds: Option<u32>,
    pub cause: Cause,
}

/// Change an existing order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeOrder {
    pub id: OrderId,
    pub change: OrderChange,
    /// Required of the order's stream.
    pub precondition: Option<Precondition>,
    pub cause: Cause,
}

/// What an order meets on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderChange {
    /// Do what is due, else nothing. Only the deadline sweeper asks for this.
    Continue {
        /// How long a void is asked for before an operator has to look.
        operator_after: Duration,
    },
    /// The payment service replied.
    Reply(Reply),
    /// Its owner does not want it any more.
    Cancel,
    /// An operator lets it go on.
    Resume,
}

/// What the payment service replied to a request about the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub request: Label,
    pub outcome: PaymentOutcome,
    /// The payment service's own id.
    pub payment_id: Option<Label>,
    /// Why it declined.
    pub reason: Option<Label>,
}

/// Do with a reservation what others' event says: confirm it, or release it. What is not possible is recorded,
/// for nobody waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleReservation {
    pub id: ReservationId,
    pub outcome: HoldOutcome,
    pub cause: Cause,
}
