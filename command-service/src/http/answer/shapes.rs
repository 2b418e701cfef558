//! How OpenAPI describes what the contract crate serializes.

#![expect(dead_code, reason = "these types describe, and are never filled")]

use utoipa::ToSchema;

#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum Status {
    Waiting,
    Held,
    Confirmed,
    Fulfilled,
    Released,
    Expired,
    Cancelled,
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

/// All amounts in base units.
#[derive(Debug, ToSchema)]
pub(crate) struct LineShape {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    line: u32,
    sku: String,
    location: String,
    /// What was asked for.
    requested: i64,
    /// What was held.
    quantity: i64,
    /// What waits for stock.
    waiting: i64,
    /// What of it was given back to available: released, cancelled or expired.
    released: i64,
    /// What of it left the stock.
    fulfilled: i64,
    /// What of the fulfilled part came back.
    returned: i64,
}

/// Goods on their way from one location to another, and what became of them.
#[derive(Debug, ToSchema)]
#[schema(as = Transfer)]
pub(crate) struct TransferShape {
    #[schema(example = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    id: String,
    #[schema(inline)]
    status: TransferStatus,
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

#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum TransferStatus {
    InTransit,
    PartiallyReceived,
    Received,
    Closed,
    Returned,
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

#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum OrderStatusShape {
    Placed,
    Waiting,
    AwaitingPayment,
    Confirmed,
    Declined,
    TimedOut,
    Cancelled,
    Failed,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum StepNameShape {
    Reserve,
    Authorise,
    Confirm,
    Release,
    Void,
}

#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(crate) enum StepStatusShape {
    Pending,
    Done,
    Refused,
    NeedsOperator,
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
