//! What earlier versions wrote stays readable: logs kept as fixtures, each as it was written.

use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use integration_tests::{Figures, Stockbook, World};
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolCopyExt;
use stack::replay::plan::{Plan, Stock};
use stack::replay::source::Source;

trials! {
    a_log_of_november_2026_is_folded_projected_and_queried,
    adjustments_of_version_1_are_read_as_todays,
    documents_of_types_with_a_slash_are_found,
}

/// Copies a table of a fixture into the write database.
async fn copy(owner: &PgPool, fixture: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
    let file = std::fs::File::open(path.join(format!("{table}.csv.gz"))).expect("the fixture");
    let mut csv = Vec::new();
    GzDecoder::new(file).read_to_end(&mut csv).expect("the fixture unpacks");
    // Today's table may have more columns.
    let columns = csv.as_slice().lines().next().expect("a header").expect("text");
    let statement = format!("copy {table} ({columns}) from stdin (format csv, header)");
    let mut copying = owner.copy_in_raw(&statement).await.expect("the table takes rows");
    copying.send(csv.as_slice()).await.expect("the rows are sent");
    copying.finish().await.expect("the rows fit");
}

/// A Stockbook on the log of a fixture.
async fn start_on(world: &Arc<World>, fixture: &str) -> Stockbook {
    let mut stockbook = Stockbook::prepare(world, 16).await;
    let owner = PgPool::connect(stockbook.urls.write_owner.as_str()).await.unwrap();
    copy(&owner, fixture, "events").await;
    copy(&owner, fixture, "commands").await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;
    stockbook
}

/// The log of a scarce replay of the sample, from before counts and moves. Sending the same trade
/// again finds every command decided, refusals too, and every figure as it was.
async fn a_log_of_november_2026_is_folded_projected_and_queried(world: Arc<World>) {
    let stockbook = start_on(&world, "log-2026-11").await;
    let written = stockbook.recorded().await;
    assert_eq!(written, 2_468, "the fixture has another length");

    let sample = Source::sample().expect("the sample is shipped");
    let plan = Plan::new(Stock::Scarce, &[sample]).expect("the sample can be read");
    super::replay::play(&stockbook, &plan, 8).await;
    assert_eq!(stockbook.recorded().await, written, "something was decided again");
    super::relay::assert_topic_equals_log(&stockbook).await;

    stockbook.receive(&[("85123A", 5)]).await;
    assert_eq!(stockbook.recorded().await, written + 1);
    stockbook.verify().await;
}

/// Version 1 did not say whether less was left than was promised: nothing ever was.
async fn adjustments_of_version_1_are_read_as_todays(world: Arc<World>) {
    let stockbook = start_on(&world, "log-2026-11-21").await;
    let command = stockbook.command();
    let history = command.stream("stock/85123A/MAIN").await;
    let old = history.iter().find(|event| event.event_type == "StockAdjusted").expect("one");
    assert_eq!((old.schema_version, old.id().to_string().as_str()), (1, "3-3"));
    assert!(!old.data.get().contains("shortage"), "the bytes are changed: {}", old.data);
    assert_eq!(command.figures("85123A").await, Figures::new(77, 0, 0));
    let then = command.get("/v1/streams/stock/85123A/MAIN/state?version=2").await.json();
    assert_eq!(Figures::of(&then["state"]), Figures::new(97, 0, 0));
    stockbook.verify().await;
    super::relay::assert_topic_equals_log(&stockbook).await;

    let heads = stockbook.heads().await;
    for (sku, on_hand) in [("85123A", 92), ("71053", 42), ("84406B", 5), ("84029G", 0)] {
        let total = stockbook.read_at(&format!("/v1/stock/{sku}"), &heads).await.json();
        assert_eq!(total["on_hand"], on_hand, "{total}");
    }
    let adjusted = "/v1/movements?type=StockAdjusted&sku=85123A";
    let adjusted = stockbook.read_at(adjusted, &heads).await.json();
    assert_eq!(adjusted["items"][0]["delta"]["on_hand"], -3, "{adjusted}");

    // The answer to a key of then, rendered from events of then.
    let body = r#"{"lines":[{"sku":"85123A","location":"MAIN","delta":-3},{"sku":"71053","location":"MAIN","delta":2,"expected_quantity":40}],"reason":"damaged","reference":{"type":"claim","id":"C-9","line":"1"},"occurred_at":"2026-11-20T10:00:00Z"}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", "adjust-1")];
    let again =
        command.try_send(Method::POST, "/v1/adjustments", &headers, Some(body.into())).await;
    let again = again.expect("an answer").expect_status(200);
    assert!(again.is_replayed());
    assert_eq!(again.position().to_string(), "3:3,7:3");
    assert_eq!(again.figures("85123A"), Figures::new(97, 0, 0));
    assert_eq!(stockbook.heads().await, heads, "something was decided again");

    // What is done now follows on it.
    let reversed = command.done("/v1/reversals", json!({"event": "3-3"})).await;
    assert_eq!(reversed.figures("85123A"), Figures::new(80, 0, 0));
    let short = json!({"sku": "85123A", "location": "MAIN", "delta": -1});
    let short = json!({"lines": [short], "reason": "lost", "accept_shortage": true});
    command.done("/v1/adjustments", short).await;
    let history = command.stream("stock/85123A/MAIN").await;
    assert_eq!(history.last().map(|event| event.schema_version), Some(4));
    stockbook.verify().await;
}

/// Types of documents could have slashes once. A document is found by its whole text, which two may share.
async fn documents_of_types_with_a_slash_are_found(world: Arc<World>) {
    let stockbook = start_on(&world, "log-2026-11-29").await;
    let heads = stockbook.heads().await;
    let found = async |path: &str| {
        let answer = stockbook.read_at(path, &heads).await.json();
        let items = answer["items"].as_array().expect("a list");
        items.iter().map(|one| one["reference"].clone()).collect::<Vec<_>>()
    };
    let [slash_in_type, slash_in_id] =
        [("po/eu", "7"), ("po", "eu/7")].map(|(kind, id)| json!({"type": kind, "id": id}));
    let movements = found("/v1/movements?reference=po/eu/7&type=StockReceived").await;
    assert_eq!(movements, [slash_in_id.clone(), slash_in_type.clone()]);
    assert_eq!(found("/v1/movements?reference=po/eu&type=StockReceived").await, [json!(null); 0]);
    assert_eq!(found("/v1/reservations?reference=po/eu/7").await, [slash_in_id, slash_in_type]);
    let neighbour = json!({"type": "po//", "id": "/"});
    assert_eq!(found("/v1/movements?reference=po////").await, [neighbour]);
    stockbook.verify().await;
}
