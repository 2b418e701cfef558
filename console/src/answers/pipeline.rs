//! How far events are on their way, and whether the figures are what the log comes to.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::shown::{Lasting, Moment, Status, Units};

#[derive(Debug, Deserialize)]
pub(crate) struct LaneHead {
    pub(crate) lane: u16,
    pub(crate) position: i64,
    pub(crate) recorded_at: Option<Moment>,
}

/// How far a version of a projection is with a lane.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LaneProgress {
    pub(crate) projection: String,
    pub(crate) version: i64,
    pub(crate) active: bool,
    pub(crate) lane: u16,
    pub(crate) position: i64,
    pub(crate) lag: Option<i64>,
    pub(crate) state: Status,
    pub(crate) event: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) stopped_at: Option<Moment>,
    pub(crate) applied_at: Moment,
}

impl LaneProgress {
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.is("stopped")
    }

    /// The version of the view that it belongs to.
    pub(crate) fn view(&self) -> String {
        format!("{} v{}", self.projection, self.version)
    }
}

/// Whether the figures are what the log comes to.
#[derive(Debug, Deserialize)]
pub(crate) struct Integrity {
    pub(crate) ok: bool,
    pub(crate) checked: Units,
    pub(crate) position: String,
    pub(crate) first_difference: Option<Difference>,
    pub(crate) skipped: Vec<Skipped>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Difference {
    pub(crate) what: String,
    pub(crate) sku: Option<String>,
    pub(crate) stream: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) member: Option<String>,
    pub(crate) expected: String,
    pub(crate) found: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Skipped {
    pub(crate) projection: String,
    pub(crate) event: String,
    pub(crate) reason: String,
    pub(crate) skipped_at: Moment,
}

/// The stock and the views as a whole.
#[derive(Debug, Deserialize)]
pub(crate) struct Overview {
    pub(crate) skus: Units,
    pub(crate) on_hand: Units,
    pub(crate) available: Units,
    pub(crate) sold_out: Units,
    pub(crate) low: Units,
    pub(crate) waiting_lines: Units,
    pub(crate) in_transit: Units,
    pub(crate) overdue: Units,
    pub(crate) events_per_second: Option<f64>,
    pub(crate) lag: Option<Units>,
    pub(crate) integrity: Option<Round>,
    stopped_lanes: Vec<StoppedView>,
    pub(crate) position: String,
}

/// A lane of a view that waits for an operator.
#[derive(Debug, Deserialize)]
struct StoppedView {
    lane: u16,
}

impl Overview {
    /// How many lanes wait, each counted once, in whatever it waits.
    pub(crate) fn stopped(&self, relayed: &[RelayedLane]) -> usize {
        let of_views = self.stopped_lanes.iter().map(|stopped| stopped.lane);
        let of_relay = relayed.iter().filter(|lane| lane.is_stopped()).map(|lane| lane.lane);
        of_views.chain(of_relay).collect::<BTreeSet<_>>().len()
    }

    pub(crate) fn pace(&self) -> Option<String> {
        self.events_per_second.map(|pace| format!("{pace:.1}"))
    }
}

/// A round of the continuous integrity check.
#[derive(Debug, Deserialize)]
pub(crate) struct Round {
    pub(crate) differences: Units,
    pub(crate) ended_at: Moment,
}

/// A lane on its way to Kafka.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RelayedLane {
    pub(crate) lane: u16,
    pub(crate) mark: i64,
    pub(crate) lag: i64,
    pub(crate) lag_ms: Lasting,
    pub(crate) owner: Option<String>,
    pub(crate) state: Status,
    pub(crate) error: Option<String>,
}

impl RelayedLane {
    /// The event that it publishes next.
    pub(crate) fn next(&self) -> String {
        format!("{}-{}", self.lane, self.mark + 1)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state.is("stopped")
    }
}
