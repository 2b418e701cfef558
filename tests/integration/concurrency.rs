//! Many callers at once: never a unit too many, never a deadlock.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use integration_tests::{Stockbook, World, each, lines_at_main};
use serde_json::Value;
use shared_events::recorded::RecordedEvent;

trials! {
    a_thousand_callers_for_a_hundred_units_get_exactly_a_hundred,
    orders_in_any_line_order_from_two_instances_never_deadlock,
}

async fn a_thousand_callers_for_a_hundred_units_get_exactly_a_hundred(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A"]).await;
    stockbook.receive(&[("A", 100)]).await;
    let instances = stockbook.instances();
    let calls = (0..1_000).map(|call: usize| {
        let api = instances[call % 2].clone();
        async move { api.post("/v1/issues", lines_at_main(&[("A", 1)])).await }
    });
    let answers: Vec<_> = stream::iter(calls).buffer_unordered(200).collect().await;
    let accepted = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(accepted, 100);
    for refused in answers.into_iter().filter(|answer| answer.status != 200) {
        let problem = refused.expect_problem(409, "insufficient_stock");
        assert_eq!(problem["lines"][0]["available"], 0, "{problem}");
    }
    let history = stockbook.command().stream("stock/A/MAIN").await;
    assert_eq!((history.len(), on_hand(&history[100])), (101, 0));
}

/// What an event left; 0 if it is not about stock.
fn on_hand(event: &RecordedEvent) -> i64 {
    let data: Value = serde_json::from_str(event.data.get()).unwrap();
    data["after"]["on_hand"].as_i64().unwrap_or_default()
}

/// Orders over the same items in unlike line orders would block each other forever if lanes were
/// not taken in one order.
async fn orders_in_any_line_order_from_two_instances_never_deadlock(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    let skus: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let skus: Vec<&str> = skus.iter().map(String::as_str).collect();
    stockbook.stock(&each(&skus, 1_000)).await;
    let instances = stockbook.instances();
    let orders = (0..600_usize).map(|order| {
        let lines = 1 + order % 12;
        let step = [1, 3, 7, 9, 11, 13, 17, 19][order % 8];
        let lines: Vec<(&str, i64)> =
            (0..lines).map(|line| (skus[(order + line * step) % skus.len()], 1)).collect();
        let api = instances[order % 2].clone();
        async move { (api.post("/v1/issues", lines_at_main(&lines)).await, lines) }
    });
    let answers: Vec<_> = stream::iter(orders).buffer_unordered(64).collect().await;
    let mut taken: HashMap<&str, i64> = HashMap::new();
    for (answer, lines) in answers {
        answer.expect_status(200);
        for (sku, quantity) in lines {
            *taken.entry(sku).or_default() += quantity;
        }
    }
    let mut versions: HashMap<String, i64> = HashMap::new();
    for lane in 0..stockbook.lanes {
        for (index, event) in stockbook.command().lane(lane).await.into_iter().enumerate() {
            assert_eq!(event.position.0, index as i64 + 1, "lane {lane} has a gap");
            let version = versions.entry(event.stream.to_string()).or_default();
            *version += 1;
            assert_eq!(event.version.0, *version, "{} has a version twice or none", event.stream);
            assert!(on_hand(&event) >= 0, "{} at version {version}: {}", event.stream, event.data);
        }
    }
    for sku in skus {
        let left = 1_000 - taken.get(sku).copied().unwrap_or_default();
        assert_eq!(stockbook.command().figures(sku).await.on_hand, left, "{sku}");
    }
    stockbook.verify().await;
}
