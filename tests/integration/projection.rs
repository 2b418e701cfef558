//! The views say what the log says, however its records arrive.

use std::collections::BTreeMap;
use std::sync::Arc;

use integration_tests::{Stockbook, World, each, eventually, lines_at_main, start_again};
use rdkafka::admin::AdminOptions;
use rdkafka::config::ClientConfig;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::json;

use super::redelivery::checksums;

trials! {
    the_whole_topic_delivered_again_changes_no_row,
    two_query_services_share_the_lanes,
    a_hole_in_the_topic_is_filled_from_the_log,
}

async fn trade(stockbook: &Stockbook, skus: &[&str]) {
    for sku in skus {
        stockbook.receive(&[(sku, 10)]).await;
    }
    let held = stockbook.command().reserve("cart", 600, &[(skus[0], 2), (skus[1], 1)]).await;
    stockbook.command().take(&held.reservation_id(), "release", json!({})).await;
    for pair in skus.chunks(2) {
        stockbook.command().done("/v1/issues", lines_at_main(&each(pair, 3))).await;
    }
}

/// Makes the consumer group believe that it has read nothing, so that it reads everything again.
pub(crate) async fn rewind(stockbook: &Stockbook) {
    let consumer: rdkafka::consumer::BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stockbook.brokers())
        .set("group.id", format!("{}.views", stockbook.topic.trim_end_matches(".events")))
        .create()
        .expect("a consumer can be made");
    let mut offsets = TopicPartitionList::new();
    for lane in 0..stockbook.lanes {
        let lane = i32::from(lane);
        offsets.add_partition_offset(&stockbook.topic, lane, Offset::Offset(0)).expect("an offset");
    }
    let commit = move || {
        use rdkafka::consumer::{CommitMode, Consumer};
        consumer.commit(&offsets, CommitMode::Sync)
    };
    tokio::task::spawn_blocking(commit).await.unwrap().expect("offsets can be set back");
}

async fn the_whole_topic_delivered_again_changes_no_row(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    let skus = ["A", "B", "C", "D", "E", "F", "G", "H"];
    stockbook.register(&skus).await;
    trade(&stockbook, &skus).await;
    let before = checksums(&stockbook).await;
    stockbook.queries[0].stop().await.expect("the service stops");
    rewind(&stockbook).await;
    start_again(&mut stockbook.queries[0]).await;
    // What comes after the old records shows that they were gone through.
    let token = stockbook.receive(&[("A", 1)]).await.position();
    let figure = stockbook.read_at("/v1/stock/A/MAIN", &token).await.json();
    assert_eq!(figure["on_hand"], 8);
    let after = checksums(&stockbook).await;
    for table in ["items", "locations", "reservations"].map(|table| format!("stock_v1.{table}")) {
        assert!(before[&table].0 > 0, "{table} has no row");
        assert_eq!(after[&table], before[&table], "{table}");
    }
    let movements = |sums: &BTreeMap<String, (i64, String)>| sums["stock_v1.movements"].0;
    assert_eq!(movements(&after), movements(&before) + 1, "a movement was applied twice");
}

async fn two_query_services_share_the_lanes(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    let skus = ["A", "B", "C", "D", "E", "F", "G", "H"];
    stockbook.register(&skus).await;
    stockbook.add_query_service(&[]).await;
    trade(&stockbook, &skus).await;
    let token = stockbook.heads().await;
    for api in stockbook.readers() {
        let path = format!("/v1/stock?location=MAIN&min_position={token}&wait_ms=30000");
        let items = api.rows(&path).await;
        assert_eq!(items.len(), skus.len());
        assert!(items.iter().all(|item| item["on_hand"] == 7), "{items:?}");
    }
    // The one that goes leaves its lanes to the other.
    stockbook.queries[1].kill().await.expect("the service can be killed");
    trade(&stockbook, &skus).await;
    let token = stockbook.heads().await;
    let list = stockbook.read_at("/v1/stock?location=MAIN", &token).await.json();
    let items = list["items"].as_array().expect("a list");
    assert!(items.iter().all(|item| item["on_hand"] == 14), "{list}");
}

async fn a_hole_in_the_topic_is_filled_from_the_log(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    let skus = ["A", "B", "C", "D"];
    stockbook.register(&skus).await;
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/items", &token).await;
    stockbook.queries[0].stop().await.expect("the service stops");
    trade(&stockbook, &skus).await;
    let heads = stockbook.heads().await;
    super::relay::assert_topic_equals_log(&stockbook).await;
    let mut upto = TopicPartitionList::new();
    for (lane, position) in heads.iter() {
        let partition = i32::from(lane.0);
        let offset = Offset::Offset(position.0);
        upto.add_partition_offset(&stockbook.topic, partition, offset).expect("an offset");
    }
    let deleted = stockbook.kafka_admin().delete_records(&upto, &AdminOptions::new()).await;
    deleted.expect("records can be deleted");
    start_again(&mut stockbook.queries[0]).await;
    let received = stockbook.receive(&[("A", 1)]).await;
    let figure = stockbook.read_at("/v1/stock/A/MAIN", &received.position()).await.json();
    assert_eq!((&figure["on_hand"], &figure["version"]), (&8.into(), &5.into()));
    let path = format!("/v1/stock/D/MAIN?min_position={heads}");
    let ask = async || stockbook.query().get(&path).await.status;
    eventually("every lane is caught up from the log", ask, |status| *status == 200).await;
}
