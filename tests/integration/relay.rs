//! The topic says what the log says.

use std::fmt;
use std::sync::Arc;

use integration_tests::{Stockbook, World, each, eventually, lines_at_main, read_partition};
use serde_json::{Value, json};
use shared_events::chain::Chain;
use shared_events::record::Record;
use shared_events::recorded::RecordedEvent;

trials! {
    every_partition_equals_its_lane_byte_for_byte,
    the_largest_events_reach_the_topic_and_the_views,
    a_deleted_and_recreated_topic_is_filled_again,
    the_relay_says_how_far_each_lane_is_published_and_by_whom,
}

/// Fifty items, received one by one and sold three at a time.
async fn trade(stockbook: &Stockbook) {
    let skus: Vec<String> = (0..50).map(|number| format!("S{number}")).collect();
    stockbook.register(&skus).await;
    for sku in &skus {
        stockbook.receive(&[(sku, 10)]).await;
    }
    for order in skus.chunks(3) {
        let mut body = lines_at_main(&each(order, 1));
        body["note"] = json!("Grüße, «日本»");
        stockbook.command().done("/v1/issues", body).await;
    }
}

/// A reservation of as many lines as there may be, with long names: each of its steps says all of it.
async fn the_largest_events_reach_the_topic_and_the_views(world: Arc<World>) {
    const LINES: usize = 5_000;
    const EACH: i64 = 100_000_000_000;
    let stockbook = Stockbook::start(&world).await;
    let sku = "x".repeat(64);
    stockbook.stock(&[(&sku, EACH * 5_000)]).await;
    let command = stockbook.command();
    let held = command.reserve("cart-9", 600, &vec![(sku.as_str(), EACH); LINES]).await;
    let id = held.reservation_id();
    command.take(&id, "confirm", json!({})).await;
    let fulfilled = command.take(&id, "fulfil", json!({})).await;
    let largest = stockbook.log().await.iter().map(|event| event.data.get().len()).max();
    let largest = largest.expect("an event");
    println!("the largest event has {largest} bytes");
    assert!(largest > 1 << 20, "{largest} bytes: more than Kafka takes by default");
    assert_topic_equals_log(&stockbook).await;
    let seen =
        stockbook.read_at(&format!("/v1/reservations/{id}"), &fulfilled.position()).await.json();
    assert_eq!(seen["status"], "fulfilled");
}

/// Waits until every partition holds its lane, and compares each byte of each record.
pub(crate) async fn assert_topic_equals_log(stockbook: &Stockbook) {
    for lane in 0..stockbook.lanes {
        let log = stockbook.command().lane(lane).await;
        let records = whole_partition(stockbook, lane, &log).await;
        let mut last = 0;
        for (event, _) in &records {
            // A record may come again, but never before its time.
            assert!(event.position.0 <= last + 1, "a gap after {last} in partition {lane}");
            last = last.max(event.position.0);
        }
        assert_records_equal(&records, &log);
    }
}

/// Reads a partition until a reader would have come to the lane's head.
async fn whole_partition(
    stockbook: &Stockbook,
    lane: u16,
    log: &[RecordedEvent],
) -> Vec<(RecordedEvent, Record)> {
    let head = log.last().map_or(0, |event| event.position.0);
    let reaches_head = |Partition(records): &Partition| {
        let positions = records.iter().map(|(event, _)| event.position.0);
        // As a reader would: what it has is dropped, what comes too early does not count.
        let run =
            positions.fold(0, |last, position| if position == last + 1 { position } else { last });
        run >= head
    };
    eventually(
        &format!("partition {lane} reaches position {head}"),
        async || Partition(read_partition(stockbook.brokers(), &stockbook.topic, lane).await),
        reaches_head,
    )
    .await
    .0
}

/// The records of a partition; shown as the runs of positions in it.
struct Partition(Vec<(RecordedEvent, Record)>);

impl fmt::Debug for Partition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for (event, _) in &self.0 {
            let position = event.position.0;
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == position => *last = position,
                _ => runs.push((position, position)),
            }
        }
        out.debug_list().entries(runs.iter().map(|(first, last)| first..=last)).finish()
    }
}

/// Every record is the one that the log makes at its position, and the chain holds.
fn assert_records_equal(records: &[(RecordedEvent, Record)], log: &[RecordedEvent]) {
    let mut chain = Chain::default();
    for event in log {
        chain = event.chain_after(chain);
        assert_eq!(event.chain, chain, "lane {}, position {}", event.lane, event.position);
    }
    for (event, record) in records {
        let mut stored = log[usize::try_from(event.position.0).unwrap() - 1].clone();
        stored.traceparent = event.traceparent.clone();
        assert_eq!(*record, Record::of(&stored));
    }
}

async fn every_partition_equals_its_lane_byte_for_byte(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    trade(&stockbook).await;
    assert_topic_equals_log(&stockbook).await;
}

async fn a_deleted_and_recreated_topic_is_filled_again(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    trade(&stockbook).await;
    assert_topic_equals_log(&stockbook).await;
    stockbook.delete_topic().await;
    // Writes do not wait for Kafka.
    let received = stockbook.receive(&[("S0", 7)]).await;
    stockbook.topic_is_gone().await;
    stockbook.create_topic().await;
    // What was under way to the old topic may come first; then everything comes in order.
    for lane in 0..stockbook.lanes {
        let log = stockbook.command().lane(lane).await;
        assert_records_equal(&whole_partition(&stockbook, lane, &log).await, &log);
    }
    let figure = stockbook.read_at("/v1/stock/S0/MAIN", &received.position()).await.json();
    assert_eq!(figure["on_hand"], 16);
}

async fn the_relay_says_how_far_each_lane_is_published_and_by_whom(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    trade(&stockbook).await;
    stockbook.add_command_service(&[]).await;
    let heads = stockbook.command().rows("/v1/lanes").await;
    for api in stockbook.instances() {
        let is_published = |lanes: &Vec<Value>| lanes.iter().all(|lane| lane["lag"] == 0);
        let lanes = eventually(
            "both instances see that everything is published",
            async || api.rows("/v1/relay").await,
            is_published,
        )
        .await;
        assert_eq!(lanes.len(), heads.len());
        for (lane, head) in lanes.iter().zip(&heads) {
            assert_eq!((&lane["lane"], &lane["head"]), (&head["lane"], &head["position"]));
            assert_eq!((&lane["mark"], &lane["lag_ms"]), (&lane["head"], &json!(0)), "{lane}");
            assert!(lane["owner"].as_str().is_some_and(|owner| owner.contains('/')), "{lane}");
        }
    }
    // Each lane runs at the instance that owns it, and the other one says so.
    let [first, second] = &stockbook.instances()[..] else { panic!("two instances") };
    for (here, there) in first.rows("/v1/relay").await.iter().zip(second.rows("/v1/relay").await) {
        let mut states = [here["state"].clone(), there["state"].clone()];
        states.sort_by_key(Value::to_string);
        assert_eq!(states, ["elsewhere", "running"], "{here} and {there}");
    }
    stockbook.delete_topic().await;
    stockbook.topic_is_gone().await;
    stockbook.receive(&[("S0", 7)]).await;
    let is_late = |lanes: &Vec<Value>| {
        let late = lanes.iter().find(|lane| lane["lag"].as_i64().is_some_and(|lag| lag > 0));
        late.is_some_and(|lane| lane["lag_ms"].as_i64().is_some_and(|age| age >= 100))
    };
    let lanes = async || stockbook.command().rows("/v1/relay").await;
    eventually("the relay says that an event waits", lanes, is_late).await;
}
