//! The relay's metrics.

use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};
use shared_events::lane::{Lane, Position};

const PUBLISHED: &str = "stockbook_relay_published_total";
const IN_FLIGHT: &str = "stockbook_relay_in_flight";
const LAG: &str = "stockbook_relay_lag";
const STATE: &str = "stockbook_relay_state";
const LANE_STATE: &str = "stockbook_relay_lane_state";

/// The state of the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Stopped = 0,
    Running = 1,
    /// Waiting for the topic, the brokers or the database.
    Waiting = 2,
}

/// Describes the metrics to the recorder.
pub(crate) fn describe() {
    describe_counter!(PUBLISHED, Unit::Count, "Events of this instance that Kafka acknowledged");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Events sent and not yet acknowledged");
    describe_gauge!(
        LAG,
        Unit::Count,
        "Events in the log that Kafka has not acknowledged, by lane relayed here"
    );
    describe_gauge!(
        STATE,
        "The relay: 0 stopped, 1 running, 2 waiting for topic, brokers or database"
    );
    describe_gauge!(
        LANE_STATE,
        "A lane: 0 not relayed here, 1 running, 2 being taken over, 3 stopped at an error"
    );
}

pub(crate) fn published() -> Counter {
    counter!(PUBLISHED)
}

pub(crate) fn state(state: State) {
    gauge!(STATE).set(f64::from(state as u8));
}

pub(crate) fn lane_state(lane: Lane, number: u8) {
    gauge!(LANE_STATE, "lane" => lane.to_string()).set(number);
}

pub(crate) fn in_flight(records: usize) {
    gauge!(IN_FLIGHT).set(number(records));
}

pub(crate) fn lag(lane: Lane, head: Position, acked: Position) {
    let lag = usize::try_from(head.0 - acked.0).unwrap_or(0);
    gauge!(LAG, "lane" => lane.to_string()).set(number(lag));
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
