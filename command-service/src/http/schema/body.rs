//! The bodies of commands. What may be absent has a default here, so that OpenAPI does not call it
//! nullable: a member is there with a value, or it is not there.

mod catalogue;
mod stock;
mod reservation;
mod reversal;
mod batch;

use serde::Deserialize;
use utoipa::ToSchema;

pub(in crate::http) use self::batch::BatchBody;
#[cfg(test)]
pub(in crate::http) use self::batch::BatchCommand;
pub(in crate::http) use self::catalogue::{ItemBody, LocationBody, RetirementBody};
pub(in crate::http) use self::reservation::{
    CancellationBody, ConfirmationBody, ExtensionBody, FulfilmentBody, ReleaseBody,
    ReservationBody, ReturnBody,
};
pub(in crate::http) use self::reversal::ReversalBody;
pub(in crate::http) use self::stock::{
    AdjustmentBody, CountBody, IssueBody, MoveBody, ReceiptBody,
};

/// Declares bodies that may also say why and when, which most may.
macro_rules! bodies {
    ($($(#[$attribute:meta])* $body:ident { $($members:tt)* })+) => {$(
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        $(#[$attribute])*
        pub(in crate::http) struct $body {
            $($members)*
            /// A code of your own.
            #[serde(default)]
            #[schema(pattern = "^[a-z0-9_]{1,64}$")]
            reason: String,
            #[serde(default)]
            #[schema(inline)]
            reference: super::Reference,
            /// A sentence for people.
            #[serde(default)]
            #[schema(min_length = 1, max_length = 1_000)]
            note: String,
            /// Your own names and values, at most 20.
            #[serde(default)]
            metadata: std::collections::BTreeMap<String, String>,
            /// When it happened; default the recorded time.
            #[serde(default)]
            #[schema(format = DateTime)]
            occurred_at: String,
        }
    )+};
}
use bodies;

/// An amount of an item at a location.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StockLine {
    sku: String,
    location: String,
    /// In base units.
    #[schema(minimum = 1, maximum = 9007199254740991i64)]
    quantity: i64,
    /// Refuse unless the stock's stream is at this version; 0 is no history.
    #[serde(default)]
    #[schema(minimum = 0)]
    expected_version: i64,
}

/// The outside document behind a command.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reference {
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 255)]
    kind: String,
    #[schema(min_length = 1, max_length = 255)]
    id: String,
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    line: String,
}
