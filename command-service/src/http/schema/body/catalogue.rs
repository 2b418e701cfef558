//! What items and locations are.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use super::bodies;

/// Absent members keep their value, or get their default on a new item.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Item)]
pub(in crate::http) struct ItemBody {
    /// For people; default: the sku.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Decimal places of the base unit; default 0. Fixed once there is stock history.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 6)]
    scale: u8,
    /// What one unit is; default `each`.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    unit: String,
    /// Low stock begins at this available quantity; default 0, never.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    reorder_point: i64,
    /// Your own names and values, at most 20.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

/// Absent members keep their value, or get their default on a new location.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Location)]
pub(in crate::http) struct LocationBody {
    /// For people; default: the code.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What sort of place it is.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    kind: String,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

bodies! {
    /// Why an item is retired.
    #[schema(as = Retirement)]
    RetirementBody {}
}
