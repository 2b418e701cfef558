//! The bodies of commands. What may be absent has a default here, so that OpenAPI does not call it
//! nullable: a member is there with a value, or it is not there.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

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

/// Goods that come in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Receipt)]
pub(in crate::http) struct ReceiptBody {
    #[schema(min_items = 1, max_items = 5_000)]
    lines: Vec<StockLine>,
    /// A code of your own.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    reason: String,
    #[serde(default)]
    #[schema(inline)]
    reference: Reference,
    /// A sentence for people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1_000)]
    note: String,
    /// Your own names and values, at most 20.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

/// Goods that go out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Issue)]
pub(in crate::http) struct IssueBody {
    #[schema(min_items = 1, max_items = 5_000)]
    lines: Vec<StockLine>,
    /// What for, such as `sale`.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    purpose: String,
    /// A code of your own.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    reason: String,
    #[serde(default)]
    #[schema(inline)]
    reference: Reference,
    /// A sentence for people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1_000)]
    note: String,
    /// Your own names and values, at most 20.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

/// Differences that put the count on the books right.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Adjustment)]
pub(in crate::http) struct AdjustmentBody {
    #[schema(min_items = 1, max_items = 5_000)]
    lines: Vec<AdjustLine>,
    /// A code of your own, such as `count`.
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    reason: String,
    /// Accept that less is left than was promised.
    #[serde(default)]
    accept_shortage: bool,
    #[serde(default)]
    #[schema(inline)]
    reference: Reference,
    /// A sentence for people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1_000)]
    note: String,
    /// Your own names and values, at most 20.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

/// What was found at a count.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Count)]
pub(in crate::http) struct CountBody {
    /// What on_hand becomes, in base units.
    #[schema(minimum = 0, maximum = 9007199254740991i64)]
    quantity: i64,
    /// Refuse unless on_hand is this; null where you expect nothing in particular.
    #[schema(minimum = 0, required = true)]
    expected_quantity: Option<i64>,
    /// Accept that less is left than was promised.
    #[serde(default)]
    accept_shortage: bool,
    /// A code of your own.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    reason: String,
    #[serde(default)]
    #[schema(inline)]
    reference: Reference,
    /// A sentence for people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1_000)]
    note: String,
    /// Your own names and values, at most 20.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

/// Goods that move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Move)]
pub(in crate::http) struct MoveBody {
    #[schema(min_items = 1, max_items = 5_000)]
    lines: Vec<MoveLine>,
    /// A code of your own.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    reason: String,
    #[serde(default)]
    #[schema(inline)]
    reference: Reference,
    /// A sentence for people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1_000)]
    note: String,
    /// Your own names and values, at most 20.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

/// Why an item is retired.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Retirement)]
pub(in crate::http) struct RetirementBody {
    /// A code of your own.
    #[serde(default)]
    #[schema(pattern = "^[a-z0-9_]{1,64}$")]
    reason: String,
    #[serde(default)]
    #[schema(inline)]
    reference: Reference,
    /// A sentence for people.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 1_000)]
    note: String,
    /// Your own names and values, at most 20.
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// When it happened; default the recorded time.
    #[serde(default)]
    #[schema(format = DateTime)]
    occurred_at: String,
}

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

/// An amount of an item on its way from one location to another.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MoveLine {
    sku: String,
    from: String,
    /// Another location than `from`.
    to: String,
    /// In base units.
    #[schema(minimum = 1, maximum = 9007199254740991i64)]
    quantity: i64,
    /// Refuse unless the stream of the stock at `from` is at this version.
    #[serde(default)]
    #[schema(minimum = 0)]
    expected_version: i64,
}

/// A difference for an item at a location.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdjustLine {
    sku: String,
    location: String,
    /// In base units, not 0.
    #[schema(minimum = -9007199254740991i64, maximum = 9007199254740991i64)]
    delta: i64,
    /// Refuse unless on_hand is this.
    #[serde(default)]
    #[schema(minimum = 0)]
    expected_quantity: i64,
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
