//! Traces for an OpenTelemetry collector; none unless one is named.
//!
//! Each request to `/v1` is a span. A command leaves it on its events as their `traceparent`, and what follows from
//! them in this process or another becomes a span below it.

use std::borrow::Cow;
use std::fmt::{self, Debug};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use axum::body::Bytes;
use axum::extract::{MatchedPath, Request};
use axum::http::{self, HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, uri};
use clap::Args;
use hyper_rustls::HttpsConnectorBuilder;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
pub use opentelemetry::trace::SpanKind;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, Status, TraceContextExt, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::answered::method_label;
use crate::outage::Outage;
use crate::tls::{trusting, trusting_nobody};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What is traced.
const TRACED: &str = "/v1/";

/// How long the collector may take, and how long a stop waits for it.
const EXPORT_MAX: Duration = Duration::from_secs(5);
const STOP_MAX: Duration = Duration::from_secs(2);

/// There is one tracer, however many services run in the process. None as long as nothing is traced.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Where traces go.
#[derive(Debug, Clone, Args)]
pub struct TraceConfig {
    /// The OpenTelemetry collector that gets traces by OTLP over HTTP, such as http://collector:4318.
    /// Without it there are none.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otel_exporter_otlp_endpoint: Option<Uri>,

    /// The share of requests that is traced, from 0 to 1, where a caller's traceparent does not say.
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "1.0")]
    pub otel_traces_sampler_arg: Share,
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        share.map(Self).ok_or("must be a number from 0 to 1")
    }
}

/// Spans on their way to the collector.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Begins to trace if a collector is named. To be called in the runtime that sends the spans.
    pub fn start(config: &TraceConfig, service: &'static str) -> anyhow::Result<Self> {
        let Some(endpoint) = &config.otel_exporter_otlp_endpoint else {
            return Ok(Self(None));
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(CollectorClient::new(endpoint)?)
            .with_endpoint(format!("{}/v1/traces", endpoint.to_string().trim_end_matches('/')))
            .with_timeout(EXPORT_MAX)
            .build()
            .context("OTEL_EXPORTER_OTLP_ENDPOINT cannot be used")?;
        let Share(share) = config.otel_traces_sampler_arg;
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name(service).build())
            .with_sampler(sampler)
            .with_batch_exporter(exporter)
            .build();
        if TRACER.set(provider.tracer("stockbook")).is_err() {
            tracing::warn!("another service of this process has the traces");
        }
        tracing::info!(%endpoint, "sending traces");
        Ok(Self(Some(provider)))
    }

    /// Sends what is left.
    pub async fn stop(self) {
        let Self(Some(provider)) = self else { return };
        let stopping = move || provider.shutdown_with_timeout(STOP_MAX);
        if !matches!(tokio::task::spawn_blocking(stopping).await, Ok(Ok(()))) {
            tracing::warn!("the last traces are lost: the collector did not take them in time");
        }
    }
}

/// A piece of work that a trace shows. It ends when it is dropped. Boxed, because most work is not traced.
pub struct Span(Box<opentelemetry_sdk::trace::Span>);

impl Debug for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.span_context().fmt(out)
    }
}

/// What a span is about.
#[derive(Debug)]
pub struct Work {
    pub name: Cow<'static, str>,
    pub kind: SpanKind,
    /// When it began, if not now.
    pub since: Option<Instant>,
}

impl Span {
    /// Begins a span below the one that an event's `traceparent` names, if that is traced.
    pub fn below(traceparent: Option<&str>, work: impl FnOnce() -> Work) -> Option<Self> {
        let (tracer, parent) = (TRACER.get()?, parent(traceparent?)?);
        let Work { name, kind, since } = work();
        let ago = since.map_or(Duration::ZERO, |since| since.elapsed());
        let builder =
            SpanBuilder::from_name(name).with_kind(kind).with_start_time(SystemTime::now() - ago);
        Some(Self(Box::new(builder.start_with_context(tracer, &parent))))
    }

    /// Begins the span of a request, and hands it on to the handler as the request's `traceparent`.
    pub(crate) fn of_request(request: &mut Request) -> Option<Self> {
        let tracer = TRACER.get()?;
        let route = request.extensions().get::<MatchedPath>().filter(|_| is_traced(request))?;
        let (method, route) = (method_label(request.method()), route.as_str().to_owned());
        let parent = TraceContextPropagator::new().extract(&Header(request.headers()));
        let builder = SpanBuilder::from_name(format!("{method} {route}"))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", method),
                KeyValue::new("http.route", route),
            ]);
        let span = Self(Box::new(builder.start_with_context(tracer, &parent)));
        let context = span.0.span_context();
        if !context.is_sampled() {
            return None;
        }
        request.headers_mut().insert(TRACEPARENT, header_of(context));
        Some(span)
    }

    pub(crate) fn answered(mut self, status: StatusCode) {
        self.note("http.response.status_code", i64::from(status.as_u16()));
        if status.is_server_error() {
            self.0.set_status(Status::error(""));
        }
    }

    /// Adds a detail.
    pub fn note(&mut self, name: &'static str, value: impl Into<opentelemetry::Value>) {
        self.0.set_attribute(KeyValue::new(name, value));
    }
}

fn is_traced(request: &Request) -> bool {
    request.uri().path().starts_with(TRACED)
}

/// What a `traceparent` names, if that is traced.
fn parent(traceparent: &str) -> Option<Context> {
    let context = TraceContextPropagator::new().extract(&Stored(traceparent));
    context.span().span_context().is_sampled().then_some(context)
}

fn header_of(context: &SpanContext) -> HeaderValue {
    let (trace, span, flags) =
        (context.trace_id(), context.span_id(), context.trace_flags().to_u8());
    HeaderValue::from_str(&format!("00-{trace}-{span}-{flags:02x}"))
        .expect("hexadecimal digits are allowed in a header")
}

struct Header<'a>(&'a HeaderMap);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Stored<'a>(&'a str);

impl Extractor for Stored<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT.as_str()).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Sends from the service's runtime: the thread that gathers spans has none.
#[derive(Debug)]
struct CollectorClient {
    client: Arc<dyn HttpClient>,
    runtime: Handle,
}

impl CollectorClient {
    fn new(endpoint: &Uri) -> anyhow::Result<Self> {
        // A machine without trusted issuers can do without them where none is asked for.
        let tls = match endpoint.scheme() == Some(&uri::Scheme::HTTPS) {
            true => trusting(None)?,
            false => trusting_nobody()?,
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = HyperClient::new(connector, EXPORT_MAX, None);
        Ok(Self { client: Arc::new(client), runtime: Handle::current() })
    }
}

impl HttpClient for CollectorClient {
    fn send_bytes<'this, 'sending>(
        &'this self,
        request: http::Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<http::Response<Bytes>, HttpError>> + Send + 'sending>>
    where
        'this: 'sending,
        Self: 'sending,
    {
        let client = Arc::clone(&self.client);
        let sending = self.runtime.spawn(async move { client.send_bytes(request).await });
        Box::pin(async move {
            let sent = sending.await?;
            match &sent {
                Ok(answer) if answer.status().is_success() => note_success(),
                Ok(answer) => note_failure(&answer.status()),
                Err(error) => note_failure(error),
            }
            sent
        })
    }
}

static COLLECTOR: Outage = Outage::none();

fn note_failure(error: &dyn fmt::Display) {
    if let Some(failures) = COLLECTOR.failed() {
        tracing::warn!(%error, failures, "the collector does not take traces; they are dropped");
    }
}

fn note_success() {
    if COLLECTOR.is_over() {
        tracing::info!("the collector takes traces again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn only_a_traceparent_that_is_sampled_has_spans_below_it() {
        assert!(parent(SAMPLED).is_some());
        assert!(parent(&SAMPLED.replace("-01", "-00")).is_none());
        assert!(parent("nothing").is_none());
    }

    #[test]
    fn a_traceparent_is_written_as_it_was_read() {
        let context = parent(SAMPLED).expect("it is sampled");
        assert_eq!(header_of(context.span().span_context()), SAMPLED);
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!("0.25".parse(), Ok(Share(0.25)));
        for wrong in ["-0.1", "1.1", "NaN", "all"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
