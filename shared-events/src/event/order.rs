//! The content of order events.

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::order::Order;
use crate::payment::PaymentDetails;

/// A step in the life of an order.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStep {
    /// The references for the payment service; only in the order's first event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentDetails>,
    /// The order after the step.
    pub after: Order,
    #[serde(flatten)]
    pub cause: Cause,
}

/// The pattern of every event of an order, with its step.
#[macro_export]
macro_rules! order_events {
    ($step:pat) => {
        $crate::event::Event::OrderPlaced($step)
            | $crate::event::Event::OrderWaitlisted($step)
            | $crate::event::Event::OrderReserved($step)
            | $crate::event::Event::PaymentRequested($step)
            | $crate::event::Event::PaymentAuthorised($step)
            | $crate::event::Event::PaymentDeclined($step)
            | $crate::event::Event::PaymentVoided($step)
            | $crate::event::Event::OrderConfirmed($step)
            | $crate::event::Event::OrderDeclined($step)
            | $crate::event::Event::OrderTimedOut($step)
            | $crate::event::Event::OrderCancelled($step)
            | $crate::event::Event::OrderFailed($step)
            | $crate::event::Event::OrderNeedsOperator($step)
            | $crate::event::Event::OrderResumed($step)
    };
}
