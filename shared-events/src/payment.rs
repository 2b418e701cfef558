//! Payments: what Stockbook asks of a payment service, and what that replies. Both speak over Kafka only.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::order::OrderLine;
pub use crate::order::RequestKind;
use crate::values::{Label, OrderId, ReservationId};

/// The topic of requests, unless it is configured otherwise.
pub const REQUESTS_TOPIC: &str = "inventory.payments.requests";

/// The topic of replies, unless it is configured otherwise.
pub const REPLIES_TOPIC: &str = "inventory.payments.replies";

/// `ce_source` of requests.
pub const REQUEST_SOURCE: &str = "/stockbook/orders";

/// The longest payment details, in bytes of JSON.
pub const DETAILS_BYTES_MAX: usize = 4_096;

/// Opaque references for the payment service, such as the id of a payment method. Never card data.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PaymentDetails(pub Map<String, Value>);

/// A request to the payment service: the value of a record on its topic, whose key is the order's id.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRequest {
    pub order: OrderId,
    /// The request's id, the same however often it is sent. It is also `ce_id`.
    pub request: Label,
    /// What is asked.
    pub kind: RequestKind,
    /// Whose order it is.
    pub owner: Label,
    /// What is to be paid for.
    pub lines: Vec<OrderLine>,
    /// The references that the order came with.
    pub payment: PaymentDetails,
}

/// What became of a request.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentOutcome {
    /// The money is set aside.
    Authorised,
    /// The money is not set aside, and will not be.
    Declined,
    /// The authorisation is undone, or will be refused.
    Voided,
}

/// A reply of the payment service: the value of a record on its topic, whose key is the order's id. Members
/// that are not known here are passed over, for the payment service is somebody else's.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReply {
    /// The order, as the request named it.
    pub order: Label,
    /// The request that is answered.
    pub request: Label,
    /// What became of it.
    pub outcome: PaymentOutcome,
    /// The payment service's own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<Label>,
    /// Why it declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Label>,
}

/// What became of a hold by events alone: the value of a record on the topic of choreography, whose key is the
/// reservation's id. Members that are not known here are passed over.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldPayment {
    /// The reservation, as its event named it.
    pub reservation: ReservationId,
    /// What became of it.
    pub outcome: HoldOutcome,
}

/// What became of the payment for a hold.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldOutcome {
    /// It is paid: the reservation is to be confirmed.
    Paid,
    /// It will not be paid: the reservation is to be released.
    Refused,
    /// It was paid too late, and the money is given back. Nothing is to be done.
    Refunded,
}
