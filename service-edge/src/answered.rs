//! Metrics of answered requests by method, route and status: rate, errors and durations (RED).

use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram, Label, Unit};

const REQUESTS: &str = "stockbook_http_requests_total";
const SECONDS_TAKEN: &str = "stockbook_http_request_seconds";

/// The label of requests that match no route.
const NO_ROUTE: &str = "none";

/// The metrics of answers with the same labels.
struct Meter {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    seconds: Histogram,
}

/// The meters of every route. The recorder takes longer to find a metric by its labels than to count;
/// the routes bound the number of meters.
static METERS: LazyLock<RwLock<HashMap<String, Vec<Meter>>>> = LazyLock::new(RwLock::default);

/// Describes the metrics to the installed recorder.
pub(crate) fn describe() {
    metrics::describe_counter!(REQUESTS, "Requests answered, by method, route and status");
    metrics::describe_histogram!(
        SECONDS_TAKEN,
        Unit::Seconds,
        "Time from a request's header to its answer's, by method, route and status"
    );
}

/// A request that is counted when it is answered.
#[derive(Debug)]
pub(crate) struct Arrived {
    method: Method,
    route: Option<MatchedPath>,
    at: Instant,
}

impl Arrived {
    pub(crate) fn now(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().cloned();
        Self { method: request.method().clone(), route, at: Instant::now() }
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        count(&self.method, route, status, self.at.elapsed());
    }
}

fn count(method: &Method, route: &str, status: StatusCode, took: Duration) {
    let method = method_label(method);
    let matches = |meter: &&Meter| meter.method == method && meter.status == status;
    let meters = METERS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(meter) = meters.get(route).and_then(|meters| meters.iter().find(matches)) {
        return meter.count(took);
    }
    drop(meters);
    let meter = Meter::new(method, route, status);
    meter.count(took);
    let mut meters = METERS.write().unwrap_or_else(PoisonError::into_inner);
    meters.entry(route.to_owned()).or_default().push(meter);
}

impl Meter {
    fn new(method: &'static str, route: &str, status: StatusCode) -> Self {
        let labels = vec![
            Label::new("method", method),
            Label::new("route", route.to_owned()),
            Label::new("status", status.as_str().to_owned()),
        ];
        Self {
            method,
            status,
            requests: metrics::counter!(REQUESTS, labels.clone()),
            seconds: metrics::histogram!(SECONDS_TAKEN, labels),
        }
    }

    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.seconds.record(took);
    }
}

/// Callers can invent methods, and every label value is a time series.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn answers_are_counted_by_method_route_and_status() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        let brew = Method::from_bytes(b"BREW").expect("a method");
        metrics::with_local_recorder(&recorder, || {
            for (method, route, status) in [
                (&Method::GET, "/tea/{kind}", StatusCode::OK),
                (&Method::GET, "/tea/{kind}", StatusCode::OK),
                (&Method::GET, "/tea/{kind}", StatusCode::NOT_FOUND),
                (&brew, NO_ROUTE, StatusCode::METHOD_NOT_ALLOWED),
            ] {
                count(method, route, status, Duration::from_millis(3));
            }
        });
        let page = page.render();
        for line in [
            r#"{method="GET",route="/tea/{kind}",status="200"} 2"#,
            r#"{method="GET",route="/tea/{kind}",status="404"} 1"#,
            r#"{method="other",route="none",status="405"} 1"#,
        ] {
            assert!(page.contains(&format!("{REQUESTS}{line}")), "{line} in {page}");
        }
    }
}
