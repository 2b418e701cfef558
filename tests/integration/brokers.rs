//! Three Kafka brokers, of which one or two are lost.

use std::sync::Arc;

use integration_tests::{Node, Stockbook, World, each, eventually, read_partition};
use serde_json::{Value, json};

use crate::failover::{agree, published};
use crate::views;

trials! {
    one_of_three_brokers_may_be_lost_and_without_two_commands_go_on_and_are_published_later,
}

const SKUS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// Receives one unit of each item, twenty times; all of it is accepted.
async fn trade(stockbook: &Stockbook) {
    for _ in 0..20 {
        stockbook.receive(&each(&SKUS, 1)).await;
    }
}

/// Records beyond the first of each position.
async fn repeated(stockbook: &Stockbook) -> usize {
    let mut repeated = 0;
    for lane in 0..stockbook.lanes {
        let mut last = 0;
        for (event, _) in read_partition(stockbook.brokers(), &stockbook.topic, lane).await {
            repeated += usize::from(event.position.0 <= last);
            last = last.max(event.position.0);
        }
    }
    repeated
}

async fn one_of_three_brokers_may_be_lost_and_without_two_commands_go_on_and_are_published_later(
    world: Arc<World>,
) {
    let node = Node::start_three(&world, "three").await;
    let mut stockbook = Stockbook::prepare_on(&world, 4, Some(node)).await;
    stockbook.add_command_service(&[]).await;
    views::add_query_service(&mut stockbook).await;
    stockbook.register(&SKUS).await;
    trade(&stockbook).await;
    agree(&stockbook).await;

    // 1. Two have everything, so nothing waits for the third.
    stockbook.node.as_mut().unwrap().kill(0).await;
    trade(&stockbook).await;
    agree(&stockbook).await;

    // 2. One alone acknowledges nothing. Relay and alerts wait; commands and views go on.
    stockbook.node.as_mut().unwrap().kill(1).await;
    let short = json!({"reorder_point": 1_000});
    stockbook.command().put("/v1/items/A", short).await.expect_status(200);
    trade(&stockbook).await;
    let recorded = stockbook.heads().await;
    stockbook.read_at("/v1/items", &recorded).await;
    let waiting: Vec<Value> = stockbook.command().rows("/v1/relay").await;
    let late = |lane: &&Value| lane["lag"].as_i64() > Some(0) && lane["lag_ms"].as_i64() > Some(0);
    assert!(waiting.iter().any(|lane| late(&lane)), "nothing waits: {waiting:?}");
    let lag = async || stockbook.command().metric::<f64>("stockbook_relay_lag").await;
    eventually("the metric says that events wait", lag, |lag| *lag > 0.0).await;

    // 3. Both come back, and everything is published in order.
    stockbook.node.as_mut().unwrap().start_again(&[0, 1]).await;
    published(&stockbook).await;
    let alerts = async || views::published(&stockbook).await;
    eventually("the alert follows", alerts, |alerts| !alerts.is_empty()).await;
    println!("{} records were sent again", repeated(&stockbook).await);
    trade(&stockbook).await;
    agree(&stockbook).await;
    let on_hand = stockbook.command().figures(SKUS[0]).await.on_hand;
    assert_eq!(on_hand, 80);
    let alerts = views::published(&stockbook).await;
    let [(sku, alert)] = &alerts[..] else { panic!("not one alert: {alerts:?}") };
    assert_eq!((sku.as_str(), &alert["state"]), ("A", &json!("raised")));
}
