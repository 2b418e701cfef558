//! What the log's endpoints take and answer, beyond single events.

use utoipa::{IntoParams, ToSchema};

/// Which part of all lanes together is listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct MergedRange {
    /// The position after which to go on, such as `3:1042,7:88`: an earlier answer's Next-Position.
    /// Absent, the list begins with the first event; so does a lane that is not named.
    #[param(required = false)]
    after: String,
    /// Events at most.
    #[param(minimum = 1, maximum = 10_000, default = 1_000, required = false)]
    limit: i64,
}

/// How much of a stream is folded; all of it when nothing is said.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct StateQuery {
    /// Up to and with this version. Not together with `at`.
    #[param(minimum = 0, required = false)]
    version: i64,
    /// What was recorded at or before this moment, settled. Not together with `version`.
    #[param(format = DateTime, required = false)]
    at: String,
}

/// A stream's state after some of its events.
#[derive(ToSchema)]
#[schema(as = StreamState)]
pub(in crate::http) struct StreamStateBody {
    #[schema(example = "stock/85123A/MAIN")]
    stream: String,
    /// The last event's version; 0 if there was none yet.
    version: i64,
    /// The last event's position; 0 in its lane if there was none yet.
    #[schema(example = "3:1042")]
    position: String,
    /// An item or a location: its details, null before it was registered. Stock: its figures.
    state: serde_json::Value,
}
