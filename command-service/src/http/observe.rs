//! What happens to every request: it gets a name and is counted.

use std::sync::LazyLock;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use service_edge::answered::{self, Arrived};

use super::json::Faults;
use super::request::{CORRELATION_ID, Correlation, correlation_id, new_correlation_id};

/// Upper bounds of the histograms of times, in seconds.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Counters of what should not happen. They are there from the start, so that whoever watches sees
/// the first time as an increase.
const RARE: [&str; 3] = [
    "stockbook_writer_forks_total",
    "stockbook_writer_unknown_commits_total",
    "stockbook_writer_clock_behind_total",
];

/// The process's metrics. There is one recorder, however many services run in the process.
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .expect("the list of bounds is not empty")
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another recorder has the metrics; /metrics stays empty");
    }
    answered::describe();
    for rare in RARE {
        metrics::counter!(rare).increment(0);
    }
    handle
});

/// The process's metrics, recording from the first call on.
pub(super) fn metrics() -> &'static PrometheusHandle {
    &METRICS
}

/// Gives the request a correlation id, answers with it, and counts the answer.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let arrived = Arrived::now(&request);
    // A faulty id is replaced here; a command's reader tells of it.
    let given = correlation_id(request.headers(), &mut Faults::default());
    let id = given.unwrap_or_else(new_correlation_id);
    request.extensions_mut().insert(Correlation(id.clone()));

    let mut response = next.run(request).await;

    let shown =
        HeaderValue::from_bytes(id.as_str().as_bytes()).expect("a label has no control characters");
    response.headers_mut().insert(CORRELATION_ID, shown);
    arrived.answered(response.status());
    response
}
