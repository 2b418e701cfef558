//! How OpenAPI describes what the contract crate serializes.

#![expect(dead_code, reason = "these types describe, and are never filled")]

use shared_events::order::{OrderStatus, StepName, StepStatus};
use shared_events::reservation::ReservationStatus;
use shared_events::transfer::TransferStatus;
use utoipa::ToSchema;
use utoipa::openapi::schema::ObjectBuilder;

use crate::http::json::values::one_of;

pub(crate) fn reservation_status() -> ObjectBuilder {
    one_of(ReservationStatus::WORDS)
}

fn transfer_status() -> ObjectBuilder {
    one_of(TransferStatus::WORDS)
}

pub(crate) fn order_status() -> ObjectBuilder {
    one_of(OrderStatus::WORDS)
}

pub(crate) fn step_name() -> ObjectBuilder {
    one_of(StepName::WORDS)
}

pub(crate) fn step_status() -> ObjectBuilder {
    one_of(StepStatus::WORDS)
}

/// The outside document behind it.
#[derive(Debug, ToSchema)]
pub(crate) struct ReferenceShape {
    #[schema(rename = "type")]
    kind: String,
    id: String,
    #[schema(required = false)]
    line: String,
}

/// Goods on their way from one location to another, and what became of them.
#[derive(Debug, ToSchema)]
#[schema(as = Transfer)]
pub(crate) struct TransferShape {
    #[schema(example = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    id: String,
    #[schema(schema_with = transfer_status)]
    status: String,
    /// When all of it should be there, if that was said.
    #[schema(format = DateTime)]
    expected_at: Option<String>,
    /// Whether it was not done by then; it stays so.
    overdue: bool,
    #[schema(inline)]
    reference: Option<ReferenceShape>,
    #[schema(inline)]
    lines: Vec<TransferLineShape>,
}

/// All amounts in base units. What is neither received nor lost nor returned is on its way.
#[derive(Debug, ToSchema)]
pub(crate) struct TransferLineShape {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    line: u32,
    sku: String,
    from: String,
    to: String,
    /// What left.
    quantity: i64,
    /// What of it came in.
    received: i64,
    /// What of it was given up.
    lost: i64,
    /// What of it went back.
    returned: i64,
}

/// All amounts in base units.
#[derive(Debug, ToSchema)]
pub(crate) struct OrderLineShape {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    line: u32,
    sku: String,
    location: String,
    /// What was asked for.
    requested: i64,
    /// What was held; 0 until the order has what it asks for.
    quantity: i64,
}
