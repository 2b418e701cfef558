//! What comes in, goes out, moves and is put right.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Reference, StockLine, bodies};

bodies! {
    /// Goods that come in.
    #[schema(as = Receipt)]
    ReceiptBody {
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<StockLine>,
    }

    /// Goods that go out.
    #[schema(as = Issue)]
    IssueBody {
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<StockLine>,
        /// What for, such as `sale`.
        #[serde(default)]
        #[schema(pattern = "^[a-z0-9_]{1,64}$")]
        purpose: String,
    }

    /// What was found at a count.
    #[schema(as = Count)]
    CountBody {
        /// What on_hand becomes, in base units.
        #[schema(minimum = 0, maximum = 9007199254740991i64)]
        quantity: i64,
        /// Refuse unless on_hand is this; null where you expect nothing in particular.
        #[schema(minimum = 0, required = true)]
        expected_quantity: Option<i64>,
        /// Accept that less is left than was promised.
        #[serde(default)]
        accept_shortage: bool,
    }

    /// Goods that move.
    #[schema(as = Move)]
    MoveBody {
        #[schema(min_items = 1, max_items = 5_000)]
        lines: Vec<MoveLine>,
    }
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
