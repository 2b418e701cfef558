//! Many callers at once: never a unit too many, never a deadlock.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use integration_tests::stockbook::{Stockbook, lines_at_main};
use integration_tests::world::World;
use serde_json::Value;

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
    let last = stockbook.command().get("/v1/streams/stock/A/MAIN/events?limit=10000").await;
    let last: Value = serde_json::from_str(last.body.lines().last().unwrap()).unwrap();
    assert_eq!((&last["version"], &last["data"]["after"]["on_hand"]), (&101.into(), &0.into()));
}

/// Orders over the same items in unlike line orders would block each other forever if lanes were
/// not taken in one order.
async fn orders_in_any_line_order_from_two_instances_never_deadlock(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    let skus: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    let skus: Vec<&str> = skus.iter().map(String::as_str).collect();
    stockbook.register(&skus).await;
    let all: Vec<(&str, i64)> = skus.iter().map(|sku| (*sku, 1_000)).collect();
    stockbook.receive(&all).await;
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
            let data: Value = serde_json::from_str(event.data.get()).unwrap();
            let on_hand = data["after"]["on_hand"].as_i64().unwrap_or_default();
            assert!(on_hand >= 0, "{} at version {version}: {on_hand}", event.stream);
        }
    }
    for sku in skus {
        let history = format!("/v1/streams/stock/{sku}/MAIN/events?limit=10000");
        let history = stockbook.command().get(&history).await;
        let last: Value = serde_json::from_str(history.body.lines().last().unwrap()).unwrap();
        let left = 1_000 - taken.get(sku).copied().unwrap_or_default();
        assert_eq!(last["data"]["after"]["on_hand"], left, "{sku}");
    }
    stockbook.verify().await;
}
