//! What is counted, in one place: names, units and the moment each is told.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use shared_events::lane::Lane;

/// Upper bounds of the latency buckets, in seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];

/// The process's recorder: made at the first call, shared by all services in the process.
pub fn recorder() -> PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .expect("the list of buckets is not empty")
            .build_recorder();
        let handle = recorder.handle();
        // Another service in this process may have been first; its page shows everything then.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("this process has a metrics recorder already");
        }
        describe();
        handle
    };
    RECORDER.get_or_init(install).clone()
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("stockbook_projection_records_total", "Records that Kafka brought");
    describe_counter!("stockbook_projection_events_total", "Events applied to the views");
    describe_counter!("stockbook_projection_duplicates_total", "Events that came again");
    describe_histogram!("stockbook_projection_batch_seconds", "Time of one projection transaction");
    describe_histogram!(
        "stockbook_projection_batch_events",
        "Events in one projection transaction"
    );
    describe_counter!("stockbook_projection_gaps_total", "Times that a lane was read from the log");
    describe_counter!(
        "stockbook_consumer_rebuilds_total",
        "Times that the Kafka client was made anew"
    );
    describe_gauge!(
        "stockbook_projection_lag_events",
        "Events of a lane not yet applied, when last compared"
    );
    describe_gauge!(
        "stockbook_projection_lanes_stopped",
        "Lanes stopped at an event that cannot be applied"
    );
    describe_counter!("stockbook_http_requests_total", "Requests answered");
    describe_histogram!("stockbook_http_request_seconds", "Time from a request to its answer");
}

/// Kafka brought records.
pub fn records_received(count: usize) {
    counter!("stockbook_projection_records_total").increment(count as u64);
}

/// A transaction was committed.
pub fn batch_applied(events: u64, took: Duration) {
    counter!("stockbook_projection_events_total").increment(events);
    histogram!("stockbook_projection_batch_seconds").record(took);
    histogram!("stockbook_projection_batch_events").record(events as f64);
}

/// Events came again.
pub fn duplicates_dropped(count: u64) {
    counter!("stockbook_projection_duplicates_total").increment(count);
}

/// A lane is read from the log.
pub fn gap_met() {
    counter!("stockbook_projection_gaps_total").increment(1);
}

/// The Kafka client is made anew.
pub fn consumer_rebuilt() {
    counter!("stockbook_consumer_rebuilds_total").increment(1);
}

/// How many events of a lane are not applied yet.
pub fn lag(lane: Lane, events: i64) {
    gauge!("stockbook_projection_lag_events", "lane" => lane.to_string()).set(events as f64);
}

/// How many lanes this instance has stopped at an event.
pub fn lanes_stopped(count: usize) {
    gauge!("stockbook_projection_lanes_stopped").set(count as f64);
}

/// A request was answered.
pub fn request_answered(method: &Method, route: &str, status: StatusCode, took: Duration) {
    let labels = [
        ("method", method_label(method).to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_str().to_owned()),
    ];
    counter!("stockbook_http_requests_total", &labels).increment(1);
    histogram!("stockbook_http_request_seconds", &labels).record(took);
}

/// Methods are the caller's to invent, and every label value is a time series.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
