//! What is low: lists and alerts say the same of every item, whether it is traded or retired.

use std::collections::BTreeSet;
use std::sync::Arc;

use integration_tests::{Oracle, Stockbook, World, each, lines_at_main, seeded};
use rand::RngExt;
use serde_json::json;

use super::done;

trials! {
    a_retired_item_is_low_nowhere_until_it_is_reinstated,
    lists_and_alerts_agree_on_what_is_low_whatever_happened,
}

const LOW: &str = "/v1/stock?low=true&limit=200";
const RAISED: &str = "/v1/alerts?state=raised&limit=200";

/// The pairs that a list has of everything that is recorded.
async fn pairs(stockbook: &Stockbook, list: &str) -> BTreeSet<String> {
    stockbook.read_at(list, &stockbook.heads().await).await;
    let rows = stockbook.query().rows(list).await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    rows.iter().map(|row| format!("{}/{}", text(&row["sku"]), text(&row["location"]))).collect()
}

/// Fails unless the list and the alerts have exactly these pairs.
#[track_caller]
fn assert_both(found: [BTreeSet<String>; 2], expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|sku| format!("{sku}/MAIN")).collect();
    assert_eq!(found, [expected.clone(), expected]);
}

async fn a_retired_item_is_low_nowhere_until_it_is_reinstated(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    let skus = ["GONE", "EMPTY", "FEW", "MANY"];
    stockbook.register(&skus).await;
    for sku in skus {
        let path = format!("/v1/items/{sku}");
        command.put(&path, json!({"reorder_point": 5})).await.expect_status(200);
    }
    stockbook.receive(&[("GONE", 3), ("EMPTY", 3), ("FEW", 3), ("MANY", 30)]).await;
    command.done("/v1/issues", lines_at_main(&each(&["GONE", "EMPTY"], 3))).await;
    let both = async || [pairs(&stockbook, LOW).await, pairs(&stockbook, RAISED).await];
    assert_both(both().await, &["EMPTY", "FEW", "GONE"]);

    command.done("/v1/items/GONE/retire", json!({})).await;
    command.refused("/v1/items/FEW/retire", json!({}), 409, "item_in_use").await;
    assert_both(both().await, &["EMPTY", "FEW"]);
    let item = stockbook.query().json("/v1/items/GONE").await;
    assert_eq!((&item["retired"], &item["reorder_point"]), (&json!(true), &json!(5)));

    command.put("/v1/items/EMPTY", json!({"reorder_point": 0})).await.expect_status(200);
    assert_both(both().await, &["FEW"]);
    command.done("/v1/items/GONE/reinstate", json!({})).await;
    assert_both(both().await, &["FEW", "GONE"]);
    stockbook.receive(&[("GONE", 30)]).await;
    assert_both(both().await, &["FEW"]);
    let report = stockbook.query().json("/v1/integrity").await;
    assert_eq!(report["ok"], true, "{report}");
}

async fn lists_and_alerts_agree_on_what_is_low_whatever_happened(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    let skus = ["A", "B", "C", "D", "E", "F"];
    stockbook.stock(&each(&skus, 1)).await;
    let (seed, mut random) = seeded();
    for _ in 0..240 {
        let sku = skus[random.random_range(0..skus.len())];
        let quantity = random.random_range(1..9);
        // What the rules refuse changes nothing.
        match random.random_range(0..5) {
            0 => {
                let point = json!({"reorder_point": random.random_range(0..12)});
                command.put(&format!("/v1/items/{sku}"), point).await
            }
            1 => command.post("/v1/receipts", lines_at_main(&[(sku, quantity)])).await,
            2 => command.post("/v1/issues", lines_at_main(&[(sku, quantity)])).await,
            3 => {
                let there = command.figures(sku).await.on_hand.max(1);
                command.post("/v1/issues", lines_at_main(&[(sku, there)])).await;
                command.post(&format!("/v1/items/{sku}/retire"), json!({})).await
            }
            _ => command.post(&format!("/v1/items/{sku}/reinstate"), json!({})).await,
        };
    }
    // However it went, one is low in the end.
    command.post("/v1/items/A/reinstate", json!({})).await;
    command.put("/v1/items/A", json!({"reorder_point": 1_000_000})).await.expect_status(200);
    let retired = stockbook.count("ItemRetired").await;
    assert!(retired > 0 && stockbook.count("ItemReinstated").await > 0, "seed {seed}");
    let oracle = Oracle::over(&stockbook.log().await);
    let (low, short): (BTreeSet<_>, BTreeSet<_>) =
        (oracle.low().collect(), oracle.short().collect());
    assert!(!low.is_empty() && low.is_subset(&short), "seed {seed}: {low:?}, {short:?}");
    assert_eq!(pairs(&stockbook, LOW).await, low, "seed {seed}");
    assert_eq!(pairs(&stockbook, RAISED).await, short, "seed {seed}");
    done(&stockbook, &["rebuild", "stock", "--compare"]).await;
    println!("{} low, {} raised, {retired} times retired, seed {seed}", low.len(), short.len());
}
