//! The router as a whole, with a database that is not there.

use std::pin::pin;

use axum::body::{Body, to_bytes};
use axum::http::header::ALLOW;
use axum::http::{Request, StatusCode};
use futures::poll;
use serde_json::Value;
use service_edge::kafka::Brokers;
use shared_events::lane::{Lane, LaneMap};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tower::ServiceExt;

use super::*;
use crate::log::writer::{self, WriterConfig, WriterTask};
use crate::relay::{self, RelayConfig, RelayStatus};

const NOWHERE: &str = "postgres://nobody@127.0.0.1:1/none";

fn pool() -> PgPool {
    PgPoolOptions::new()
        .acquire_timeout(Duration::from_millis(100))
        .connect_lazy(NOWHERE)
        .expect("a database URL")
}

fn router_without_database(intake: WriterState) -> Router {
    let reversals = WindowReversals::new(NOWHERE.parse().expect("a database URL"));
    let (_, writer) = watch::channel(intake);
    let second = Duration::from_secs(1);
    let config =
        CommandConfig { require_key: true, command_deadline: second, answer_timeout: second };
    let app = AppState {
        writer,
        log: LogReader::new(pool()),
        relay: RelayStatus::new(pool()),
        reversals,
        redactor: crate::redaction::Redactor::new(&NOWHERE.parse().expect("a database URL")),
        api_keys: ApiKeyTable::new(pool()),
        vault: None,
        asyncapi: "{\"asyncapi\":\"3.0.0\"}".into(),
        sign_in: SignIn::off(),
        config,
    };
    router(app, &Callers::default())
}

/// A writer with room for one request, and its task, which does not run.
fn idle_writer() -> (Writer, WriterTask) {
    let relay = RelayConfig {
        brokers: Brokers::default(),
        topic: String::new(),
        database: NOWHERE.parse().expect("a database URL"),
        lanes: vec![Lane(0)],
    };
    let (sender, _) = relay::relay(relay, pool(), RelayStatus::new(pool()));
    let config = WriterConfig {
        database: NOWHERE.parse().expect("a database URL"),
        queue_commands_max: 1,
        queue_bytes_max: usize::MAX,
        batch_commands_max: 1,
        batch_bytes_max: usize::MAX,
        cache_bytes_max: 0,
        batch_timeout: Duration::ZERO,
        commit_timeout: Duration::ZERO,
    };
    writer::start(config, LaneMap::even(1).expect("one lane"), sender, None)
}

async fn ask(request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, String) {
    ask_of(&router_without_database(WriterState::Starting), request).await
}

async fn ask_of(
    router: &Router,
    request: Request<Body>,
) -> (StatusCode, axum::http::HeaderMap, String) {
    let response = router.clone().oneshot(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    (head.status, head.headers, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
}

fn request(method: &str, uri: &str, body: &'static str) -> Request<Body> {
    Request::builder().method(method).uri(uri).body(Body::from(body)).expect("a request")
}

/// A command that can be read.
fn registration() -> Request<Body> {
    let mut command = request("PUT", "/v1/items/A", "{}");
    command.headers_mut().insert("content-type", "application/json".parse().expect("a value"));
    command.headers_mut().insert("idempotency-key", "k1".parse().expect("a value"));
    command.headers_mut().insert("correlation-id", "c-1".parse().expect("a value"));
    command
}

/// Status and code of the problem that answers a request.
async fn problem(method: &str, uri: &str) -> (u16, String) {
    let (status, headers, body) = ask(request(method, uri, "")).await;
    assert_eq!(headers["content-type"], "application/problem+json", "{uri}: {body}");
    assert!(headers.contains_key("correlation-id"), "{uri}");
    let document: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(document["status"], status.as_u16());
    let code = document["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/"));
    (status.as_u16(), code.expect("a problem's type").to_owned())
}

#[tokio::test]
async fn every_failure_is_answered_with_a_problem() {
    let cases = [
        ("GET", "/", 404, "not_found"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("DELETE", "/v1/receipts", 405, "method_not_allowed"),
        ("POST", "/v1/receipts", 400, "idempotency_key_missing"),
        ("POST", "/v1/reservations/7/confirm", 400, "idempotency_key_missing"),
        ("POST", "/v1/batches", 400, "malformed_body"),
        ("GET", "/v1/batches", 405, "method_not_allowed"),
        ("GET", "/v1/reversals/7", 404, "not_found"),
        ("GET", "/problems/teapot", 404, "not_found"),
        ("GET", "/v1/lanes", 503, "unavailable"),
        ("GET", "/v1/lanes?when=now", 422, "validation_failed"),
        ("GET", "/v1/lanes?at=yesterday", 422, "validation_failed"),
        ("GET", "/v1/lanes/x/events", 404, "not_found"),
        ("GET", "/v1/lanes/0/events?limit=10001", 422, "validation_failed"),
        ("GET", "/v1/lanes/0/events?after=-1", 422, "validation_failed"),
        ("GET", "/v1/lanes/0/events", 503, "unavailable"),
        ("GET", "/v1/events?after=3", 422, "validation_failed"),
        ("GET", "/v1/events?limit=0", 422, "validation_failed"),
        ("GET", "/v1/events?after=3:7", 503, "unavailable"),
        ("GET", "/v1/streams/item/A/state?version=-1", 422, "validation_failed"),
        (
            "GET",
            "/v1/streams/item/A/state?version=1&at=2026-01-01T00:00:00Z",
            422,
            "validation_failed",
        ),
        ("GET", "/v1/streams/order/1/state", 404, "unknown_stream"),
    ];
    for (method, uri, status, code) in cases {
        assert_eq!(problem(method, uri).await, (status, code.to_owned()), "{method} {uri}");
    }
}

#[tokio::test]
async fn a_streams_name_stands_in_the_path_as_it_is_or_percent_encoded() {
    for (uri, status, code) in [
        ("/v1/streams/stock/A/MAIN/events", 503, "unavailable"),
        ("/v1/streams/stock%2FA%2FMAIN/events", 503, "unavailable"),
        ("/v1/streams/item/A/events", 503, "unavailable"),
        ("/v1/streams/stock%2FA%2FMAIN/state", 503, "unavailable"),
        ("/v1/streams/order/1/events", 404, "unknown_stream"),
        ("/v1/streams/%FF/events", 404, "not_found"),
        ("/v1/streams/stock/A/MAIN", 404, "not_found"),
        ("/v1/streams/events", 404, "not_found"),
    ] {
        assert_eq!(problem("GET", uri).await, (status, code.to_owned()), "{uri}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let (_, headers, _) = ask(request("POST", "/v1/lanes", "")).await;
    assert_eq!(headers[ALLOW], "GET,HEAD");
}

#[tokio::test]
async fn without_a_database_commands_are_refused_and_health_is_answered() {
    let (status, headers, body) = ask(registration()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(headers["correlation-id"], "c-1");
    assert!(body.contains("Nothing was recorded"), "{body}");
    assert_eq!(ask(request("GET", "/livez", "")).await.0, StatusCode::OK);
    let (status, _, body) = ask(request("GET", "/readyz", "")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("the write database does not answer"), "{body}");
}

#[tokio::test]
async fn while_too_many_wait_a_command_is_refused_before_it_is_read() {
    let (writer, _task) = idle_writer();
    let router = router_without_database(WriterState::Running(writer));
    let unreadable = async |uri: &str| ask_of(&router, request("POST", uri, "?")).await;
    assert_eq!(unreadable("/v1/receipts").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(unreadable("/v1/batches").await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);

    let mut waiting = pin!(ask_of(&router, registration()));
    assert!(poll!(&mut waiting).is_pending());
    for uri in ["/v1/receipts", "/v1/batches", "/v1/reversals"] {
        let (status, headers, body) = unreadable(uri).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{uri}: {body}");
        assert_eq!(headers["retry-after"], "1");
        assert!(body.contains("/problems/overloaded"), "{body}");
    }
}

#[tokio::test]
async fn a_panic_is_answered_without_its_cause() {
    let router: Router = Router::new()
        .route("/", get(async || -> &'static str { panic!("the secret cause") }))
        .layer(CatchPanicLayer::custom(of_panic::<Code>));
    let response = router.oneshot(request("GET", "/", "")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    assert!(!String::from_utf8_lossy(&bytes).contains("secret"));
}

#[test]
fn the_published_description_is_the_one_in_openapi_json() {
    service_edge::http::assert_description_is_committed(
        routes(),
        env!("CARGO_MANIFEST_DIR").as_ref(),
    );
}

#[tokio::test]
async fn topics_are_described_and_each_schema_is_found_by_type_and_version() {
    let (status, headers, text) = ask(request("GET", "/asyncapi.json", "")).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (StatusCode::OK, &"application/json".parse().expect("a value"))
    );
    assert!(text.starts_with("{\"asyncapi\""), "{text}");
    let (status, _, schema) = ask(request("GET", "/schemas/StockReceived/1", "")).await;
    let schema: Value = serde_json::from_str(&schema).expect("a schema is JSON");
    assert_eq!((status, &schema["title"]), (StatusCode::OK, &"StockReceived version 1".into()));
    for nowhere in ["StockReceived/0", "StockReceived/99", "StockReceived/x", "Stock/1"] {
        let (status, _, _) = ask(request("GET", &format!("/schemas/{nowhere}"), "")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{nowhere}");
    }
}

#[tokio::test]
async fn the_api_page_describes_all_it_refers_to_and_needs_no_other_host() {
    let (_, _, text) = ask(request("GET", "/openapi.json", "")).await;
    let api: Value = serde_json::from_str(&text).expect("JSON");
    for part in text.split("\"#/components/schemas/").skip(1) {
        let name = part.split('"').next().expect("a name");
        assert!(api["components"]["schemas"][name].is_object(), "{name} is not described");
    }
    let (status, _, page) = ask(request("GET", "/docs/", "")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("://"), "{page}");
}
