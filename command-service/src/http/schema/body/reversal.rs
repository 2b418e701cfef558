//! Taking back what was booked.

use std::collections::BTreeMap;

use serde::Deserialize;
use utoipa::ToSchema;

use super::Reference;

/// What is taken back: exactly one of `event`, `correlation_id`, `reversal` and `window`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Reversal)]
pub(in crate::http) struct ReversalBody {
    /// One event, such as `3-1042`; with a half of a move goes its other half.
    #[serde(default)]
    #[schema(pattern = "^[0-9]+-[0-9]+$")]
    event: String,
    /// All stock events of a correlation.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    correlation_id: String,
    /// What an earlier reversal did.
    #[serde(default)]
    #[schema(format = "uuid")]
    reversal: String,
    #[serde(default)]
    #[schema(inline)]
    window: Window,
    /// Only say what would happen.
    #[serde(default)]
    dry_run: bool,
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
}

/// What was booked in a time: recorded before the request, and not yet reversed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Window {
    #[schema(inline)]
    by: Moment,
    /// The first moment.
    #[schema(format = DateTime)]
    from: String,
    /// The first moment after it.
    #[schema(format = DateTime)]
    to: String,
    /// Only of this item.
    #[serde(default)]
    sku: String,
    /// Only at this location.
    #[serde(default)]
    location: String,
    /// Only what this actor asked for.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 255)]
    actor: String,
}

/// Which moment of an event counts.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Moment {
    #[default]
    RecordedAt,
    OccurredAt,
}
