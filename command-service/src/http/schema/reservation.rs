//! A reservation, as answers show it.

use utoipa::ToSchema;

/// Stock that is held for somebody until a moment, then promised firmly or let go.
#[derive(ToSchema)]
#[schema(as = Reservation)]
pub(in crate::http) struct ReservationShape {
    #[schema(example = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    id: String,
    owner: String,
    #[schema(inline)]
    status: Status,
    /// When the hold ends, or ended.
    #[schema(format = DateTime)]
    expires_at: String,
    #[schema(inline)]
    reference: Option<ReferenceShape>,
    #[schema(inline)]
    lines: Vec<LineShape>,
}

#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Status {
    Held,
    Confirmed,
    Fulfilled,
    Released,
    Expired,
    Cancelled,
}

/// The outside document behind it.
#[derive(ToSchema)]
struct ReferenceShape {
    #[schema(rename = "type")]
    kind: String,
    id: String,
    #[schema(required = false)]
    line: String,
}

/// All amounts in base units.
#[derive(ToSchema)]
struct LineShape {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    line: u32,
    sku: String,
    location: String,
    /// What was asked for.
    requested: i64,
    /// What was held.
    quantity: i64,
    /// What of it was given back to available: released, cancelled or expired.
    released: i64,
    /// What of it left the stock.
    fulfilled: i64,
    /// What of the fulfilled part came back.
    returned: i64,
}
