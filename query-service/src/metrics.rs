//! The metrics: names, units and when each is recorded.

use std::sync::LazyLock;
use std::time::Duration;

use metrics::{Counter, counter, gauge, histogram};
use service_edge::recorder;
use shared_events::lane::Lane;

use crate::projection::ProjectionVersion;

const INTEGRITY_DIFFERENCES: &str = "stockbook_integrity_differences_total";

/// Starts recording and describes what is recorded. The counter that an alarm watches is there from the
/// start, so that the first difference shows as an increase.
pub fn start() {
    recorder::handle();
    describe();
    counter!(INTEGRITY_DIFFERENCES).increment(0);
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("stockbook_projection_records_total", "Records that Kafka delivered");
    describe_counter!("stockbook_projection_events_total", "Events applied to the views");
    describe_counter!("stockbook_projection_duplicates_total", "Events that were applied before");
    describe_histogram!("stockbook_projection_batch_seconds", "Time of one projection transaction");
    describe_histogram!(
        "stockbook_projection_batch_events",
        "Events in one projection transaction"
    );
    describe_counter!("stockbook_projection_gaps_total", "Times that a lane was read from the log");
    describe_counter!(
        "stockbook_consumer_rebuilds_total",
        "Times that the Kafka client was replaced"
    );
    describe_gauge!(
        "stockbook_projection_lag_events",
        "Events of a lane not yet applied, when last compared"
    );
    describe_gauge!(
        "stockbook_projection_lanes_stopped",
        "Lanes stopped at an event that cannot be applied"
    );
    describe_counter!(
        "stockbook_projection_restarts_total",
        "Times that a projection failed and was restarted"
    );
    describe_counter!(
        "stockbook_figures_from_memory_total",
        "Figures of one pair answered without a statement"
    );
    describe_counter!("stockbook_alerts_published_total", "Alerts that the brokers acknowledged");
    describe_counter!("stockbook_integrity_checked_total", "Events compared with the views");
    describe_counter!(
        INTEGRITY_DIFFERENCES,
        "Differences between the log and the view `stock`, each counted once per round"
    );
    describe_gauge!(
        "stockbook_integrity_last_round_seconds",
        "Time of the last complete round of the continuous integrity check"
    );
}

/// Creates the metrics of a version that starts to run, so that their first increase is visible.
pub fn followed(projection: ProjectionVersion) {
    let labels = labels(projection);
    for counted in ["stockbook_projection_events_total", "stockbook_projection_gaps_total"] {
        counter!(counted, &labels).increment(0);
    }
    lanes_stopped(projection, 0);
}

/// Creates the metrics of the consumer.
pub fn following() {
    counter!("stockbook_consumer_rebuilds_total").increment(0);
}

fn labels(of: ProjectionVersion) -> [(&'static str, String); 2] {
    [("projection", of.name().to_owned()), ("version", of.version().to_string())]
}

pub fn records_received(count: usize) {
    counter!("stockbook_projection_records_total").increment(count as u64);
}

pub fn batch_applied(projection: ProjectionVersion, events: u64, took: Duration) {
    let labels = labels(projection);
    counter!("stockbook_projection_events_total", &labels).increment(events);
    histogram!("stockbook_projection_batch_seconds", &labels).record(took);
    histogram!("stockbook_projection_batch_events", &labels).record(events as f64);
}

pub fn duplicates_dropped(projection: ProjectionVersion, count: u64) {
    counter!("stockbook_projection_duplicates_total", &labels(projection)).increment(count);
}

pub fn gap_met(projection: ProjectionVersion) {
    counter!("stockbook_projection_gaps_total", &labels(projection)).increment(1);
}

pub fn consumer_rebuilt() {
    counter!("stockbook_consumer_rebuilds_total").increment(1);
}

pub fn projection_restarted(projection: ProjectionVersion) {
    counter!("stockbook_projection_restarts_total", &labels(projection)).increment(1);
}

pub fn lag(projection: ProjectionVersion, lane: Lane, events: i64) {
    let [name, version] = labels(projection);
    let labels = [name, version, ("lane", lane.to_string())];
    gauge!("stockbook_projection_lag_events", &labels).set(events as f64);
}

pub fn lanes_stopped(projection: ProjectionVersion, count: usize) {
    gauge!("stockbook_projection_lanes_stopped", &labels(projection)).set(count as f64);
}

pub fn figure_from_memory() {
    // Looking the counter up takes longer than everything else that the answer needs.
    static COUNTER: LazyLock<Counter> =
        LazyLock::new(|| counter!("stockbook_figures_from_memory_total"));
    COUNTER.increment(1);
}

pub fn alerts_published(count: usize) {
    counter!("stockbook_alerts_published_total").increment(count as u64);
}

pub fn integrity_checked(events: u64) {
    counter!("stockbook_integrity_checked_total").increment(events);
}

pub fn integrity_differs() {
    counter!(INTEGRITY_DIFFERENCES).increment(1);
}

pub fn integrity_round_done(took: Duration) {
    gauge!("stockbook_integrity_last_round_seconds").set(took.as_secs_f64());
}
