//! The metrics of the process.

use std::sync::LazyLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::answered;
use crate::sign_in::audit;

/// Upper bounds of all histograms of times, in seconds.
const SECONDS: [f64; 20] = [
    0.0005, 0.001, 0.002, 0.0025, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.025, 0.03, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];

const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// There is one recorder, however many services run in the process.
static RECORDER: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .expect("the list of bounds is not empty")
        .build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("another recorder has the metrics; /metrics stays empty");
    }
    answered::describe();
    audit::describe();
    handle
});

/// The recorder. It records from the first call on.
pub fn handle() -> &'static PrometheusHandle {
    &RECORDER
}

/// Keeps the recorder small: it merges the samples that histograms have gathered. Never ends.
pub async fn upkeep() {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        handle().run_upkeep();
    }
}
