//! What the log's endpoints take and answer.

use utoipa::{IntoParams, ToSchema};

/// At which moment the lanes are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct LanesQuery {
    /// Each lane's last event recorded at or before this moment, settled: the same moment gives the
    /// same answer for ever. A moment ahead of the log's clock is refused.
    #[param(format = DateTime, required = false)]
    at: String,
}

/// Which part of a history is listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EventRange {
    /// The place before the first event: a position in a lane, a version in a stream.
    #[param(minimum = 0, default = 0, required = false)]
    after: i64,
    /// Events at most.
    #[param(minimum = 1, maximum = 10_000, default = 1_000, required = false)]
    limit: i64,
}

/// One event, as one line of NDJSON.
#[derive(ToSchema)]
#[schema(as = Event)]
pub(in crate::http) struct EventLine {
    #[schema(example = "3-1042")]
    id: String,
    lane: u16,
    position: i64,
    #[schema(example = "stock/85123A/MAIN")]
    stream: String,
    version: i64,
    #[schema(rename = "type", example = "StockReceived")]
    kind: String,
    schema_version: i16,
    #[schema(format = DateTime)]
    occurred_at: String,
    #[schema(format = DateTime)]
    recorded_at: String,
    actor: Option<String>,
    correlation_id: String,
    causation_id: Option<String>,
    /// By type and schema_version.
    data: serde_json::Value,
    /// In lower hex.
    chain: String,
}

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
    /// An item or a location: its details, null before it was registered. Stock: its figures. A
    /// reservation: what it is, null before it was made.
    state: serde_json::Value,
}
