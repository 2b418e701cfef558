//! Orders: processes over Stockbook and a payment service, which end well or are undone.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::lane::Version;
use crate::reference::Reference;
use crate::time::Timestamp;
use crate::values::{Label, LocationCode, OrderId, ReservationId, Sku};
use crate::words::words;

/// An order after one of its events.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub id: OrderId,
    /// Whose order it is.
    pub owner: Label,
    pub status: OrderStatus,
    /// Its reservation, once stock is held or waited for.
    pub reservation: Option<ReservationId>,
    /// When it ends unless it is paid.
    pub deadline: Timestamp,
    /// How lines without enough stock are treated.
    pub policy: OrderPolicy,
    /// Until when it waits, or would have waited, for stock; absent if it does not wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_until: Option<Timestamp>,
    pub reference: Option<Reference>,
    /// Numbered from 1.
    pub lines: Vec<OrderLine>,
    /// The steps that have begun, in the order in which they did.
    pub steps: Vec<ProcessStep>,
    /// What was last asked of the payment service and is not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// When the order goes on by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
}

impl Order {
    /// The status of a step, if it has begun.
    pub fn step(&self, name: StepName) -> Option<StepStatus> {
        self.steps.iter().find(|step| step.name == name).map(|step| step.status)
    }
}

words! {
    /// The status of an order.
    pub enum OrderStatus {
        /// Recorded; nothing is held yet.
        Placed = "placed",
        /// It waits for stock.
        Waiting = "waiting",
        /// Stock is held, and the payment service is asked.
        AwaitingPayment = "awaiting_payment",
        /// Paid, and firmly promised.
        Confirmed = "confirmed",
        /// The payment service declined.
        Declined = "declined",
        /// It was not paid by its deadline.
        TimedOut = "timed_out",
        /// Its owner cancelled it.
        Cancelled = "cancelled",
        /// There was too little stock, also after waiting, or the hold was gone when it was paid.
        Failed = "failed",
    }
}

/// How an order treats lines without enough stock.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderPolicy {
    /// All lines in full, or the order fails.
    All,
    /// What is there of each line; the order fails only if nothing is.
    Partial,
    /// What is there of each line, and the rest is waited for; the order fails if it does not come in time.
    Wait,
}

/// One line of an order. All amounts in base units.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderLine {
    /// Its number, from 1.
    pub line: u32,
    pub sku: Sku,
    pub location: LocationCode,
    /// The quantity that was asked for.
    pub requested: i64,
    /// The part of it that was held; 0 until the order has what it asks for.
    pub quantity: i64,
}

/// A step of an order.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessStep {
    /// What it does.
    pub name: StepName,
    /// How far it is.
    pub status: StepStatus,
    /// Since when.
    pub at: Timestamp,
    /// The version of the order's event that says so.
    pub version: Version,
    /// More about it: the problem that refused it, or what the payment service replied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
}

words! {
    /// What a step of an order does.
    #[derive(PartialOrd, Ord)]
    pub enum StepName {
        /// Holds stock.
        Reserve = "reserve",
        /// Has the payment service set the money aside.
        Authorise = "authorise",
        /// Turns the hold into a firm promise.
        Confirm = "confirm",
        /// Undoes the hold.
        Release = "release",
        /// Has the payment service undo the authorisation.
        Void = "void",
    }
}

words! {
    /// How far a step of an order is.
    pub enum StepStatus {
        /// It has begun.
        Pending = "pending",
        /// It is done.
        Done = "done",
        /// It was not possible, or is not any more.
        Refused = "refused",
        /// It was asked for too long; an operator has to look.
        NeedsOperator = "needs_operator",
    }
}

words! {
    /// What is asked of the payment service.
    pub enum RequestKind {
        /// Set the money aside.
        Authorise = "authorise",
        /// Undo the authorisation, or refuse it if it has not come yet.
        Void = "void",
    }
}

impl RequestKind {
    /// The id of an order's request of this kind. Asking again uses the same, so a participant can drop
    /// repetitions.
    pub fn request(self, order: &OrderId) -> Label {
        Label::known(&format!("{order}:{}", self.as_str()))
    }
}

/// A request that the payment service has not answered.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// What is asked.
    pub kind: RequestKind,
    /// The request's id, the same however often it is asked.
    pub request: Label,
    /// How often it was asked.
    pub attempt: u32,
    /// When it was asked first.
    pub since: Timestamp,
    /// When it is asked again.
    pub again_at: Timestamp,
}
