//! A collector of traces: it takes them by OTLP over HTTP and keeps them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It listens until it is dropped.
pub struct Collector {
    pub url: String,
    taken: Arc<Mutex<Vec<Taken>>>,
    serving: JoinHandle<()>,
}

/// A span, and the service that sent it.
#[derive(Debug, Clone)]
pub struct Taken {
    pub service: String,
    pub name: String,
    /// In hexadecimal digits, as in a `traceparent`.
    pub trace: String,
    pub id: String,
    pub parent: String,
    /// Nanoseconds since 1970.
    pub began: u64,
    pub ended: u64,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let taken = Arc::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&taken));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the collector serves");
        });
        Self { url, taken, serving }
    }

    /// The spans of a trace, so far.
    pub fn spans_of(&self, trace: &str) -> Vec<Taken> {
        let taken = held(&self.taken);
        taken.iter().filter(|span| span.trace == trace).cloned().collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(taken): State<Arc<Mutex<Vec<Taken>>>>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    for sent in request.resource_spans {
        let service = sent.resource.map(|resource| service(&resource.attributes));
        let service = service.unwrap_or_default();
        let spans = sent.scope_spans.into_iter().flat_map(|scope| scope.spans);
        held(&taken).extend(spans.map(|span| Taken::of(&service, span)));
    }
    StatusCode::OK
}

impl Taken {
    fn of(service: &str, span: Span) -> Self {
        Self {
            service: service.to_owned(),
            name: span.name,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            began: span.start_time_unix_nano,
            ended: span.end_time_unix_nano,
        }
    }
}

fn service(attributes: &[KeyValue]) -> String {
    let name = attributes.iter().find(|one| one.key == "service.name");
    match name.and_then(|one| one.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(name)) => name.clone(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn held(taken: &Mutex<Vec<Taken>>) -> MutexGuard<'_, Vec<Taken>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
