//! Several views next to each other: flows, low stock, and its alerts.

pub(crate) mod extremes;
pub(crate) mod poison;
pub(crate) mod rebuilding;

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::api::Api;
use integration_tests::eventually::eventually;
use integration_tests::oracle::{Oracle, assert_flow};
use integration_tests::seed::seeded;
use integration_tests::size::Size;
use integration_tests::stockbook::{Stockbook, lines_at_main, start_again};
use integration_tests::world::World;
use rand::RngExt;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};
use shared_events::recorded::RecordedEvent;
use stack::replay::plan::{Plan, Stock};
use stack::replay::replay;
use tokio::process::Command;

trials! {
    every_view_of_a_days_trade_agrees_with_the_log,
    an_alert_goes_out_once_whatever_is_delivered_again_or_rebuilt,
    instances_that_come_and_go_under_load_apply_nothing_twice,
}

/// How long a broker may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// A Stockbook whose alerts go to a separate topic.
async fn start(world: &Arc<World>, lanes: u16) -> Stockbook {
    let mut stockbook = Stockbook::prepare(world, lanes).await;
    stockbook.add_command_service(&[]).await;
    add_query_service(&mut stockbook).await;
    stockbook
}

fn name(stockbook: &Stockbook) -> &str {
    stockbook.topic.trim_end_matches(".events")
}

fn alerts_topic(stockbook: &Stockbook) -> String {
    format!("{}.alerts", name(stockbook))
}

async fn add_query_service(stockbook: &mut Stockbook) {
    let alerts = alerts_topic(stockbook);
    let settings =
        [("ALERTS_TOPIC", &*alerts), ("SESSION_TIMEOUT_MS", "6000"), ("STOPPED_RETRY_MS", "1000")];
    stockbook.add_query_service(&settings).await;
}

/// An errand of the query-service, as its owner runs it.
fn errand(stockbook: &Stockbook, arguments: &[&str]) -> Command {
    let mut command = Command::new(stockbook.world.query_service());
    command
        .args(arguments)
        .env("MIGRATE_DATABASE_URL", stockbook.urls.read_owner.as_str())
        .env("COMMAND_URL", stockbook.commands[0].url())
        .env("NO_COLOR", "1")
        .kill_on_drop(true);
    command
}

async fn run(stockbook: &Stockbook, arguments: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } = errand(stockbook, arguments).output().await.unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// Runs an errand that has to succeed.
async fn done(stockbook: &Stockbook, arguments: &[&str]) -> String {
    let (is_done, said) = run(stockbook, arguments).await;
    assert!(is_done, "{arguments:?}: {said}");
    said
}

async fn log_of(stockbook: &Stockbook) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    for lane in 0..stockbook.lanes {
        events.extend(stockbook.command().lane(lane).await);
    }
    events
}

/// Everything on the alerts' topic: key and value.
async fn published(stockbook: &Stockbook) -> Vec<(String, Value)> {
    let (brokers, topic) = (stockbook.brokers().to_owned(), alerts_topic(stockbook));
    let lanes = i32::from(stockbook.lanes);
    let read = move || {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("group.id", "reader-without-commits")
            .set("enable.auto.commit", "false")
            .create()
            .expect("a consumer can be made");
        let (mut from, mut left) = (TopicPartitionList::new(), 0);
        for partition in 0..lanes {
            let marks = consumer.fetch_watermarks(&topic, partition, ANSWER_MAX);
            let (low, high) = marks.expect("the topic has as many partitions as lanes");
            from.add_partition_offset(&topic, partition, Offset::Offset(low)).expect("an offset");
            left += high - low;
        }
        consumer.assign(&from).expect("partitions can be assigned");
        let record = || {
            let message = consumer.poll(ANSWER_MAX).expect("a record in time").expect("a record");
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            let value = serde_json::from_slice(message.payload().unwrap_or_default());
            (key, value.expect("an alert is JSON"))
        };
        (0..left).map(|_| record()).collect()
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

/// Fails unless the topic has each alert of the oracle once, under the key of its item.
async fn assert_published(stockbook: &Stockbook, oracle: &Oracle) {
    let count = async || published(stockbook).await.len();
    eventually("alerts are published", count, |count| *count >= oracle.alerts.len()).await;
    let published = published(stockbook).await;
    let mut ids = BTreeSet::new();
    for (key, alert) in &published {
        let id = alert["id"].as_str().unwrap();
        assert_eq!((&alert["sku"], Some(alert)), (&json!(key), oracle.alerts.get(id)));
        ids.insert(id);
    }
    assert_eq!((ids.len(), published.len()), (oracle.alerts.len(), oracle.alerts.len()));
}

async fn every_view_of_a_days_trade_agrees_with_the_log(world: Arc<World>) {
    let stockbook = start(&world, 4).await;
    let plan = Plan::new(Stock::Full, &Size::wanted().trade()).expect("the trade can be read");
    let options = super::replay::options(&stockbook, 8);
    let report = replay(&plan, &options).await.expect("the replay comes through");
    assert!(report.is_good(), "{report}");
    let token = stockbook.heads().await;
    let items = stockbook.read_at("/v1/items?limit=200", &token).await.json();
    for item in items["items"].as_array().unwrap() {
        let path = format!("/v1/items/{}", item["sku"].as_str().unwrap());
        let point = json!({"reorder_point": 1_000_000});
        stockbook.command().put(&path, point).await.expect_status(200);
        let point = json!({"reorder_point": 7});
        stockbook.command().put(&path, point).await.expect_status(200);
    }
    let token = stockbook.heads().await;
    let oracle = Oracle::over(&log_of(&stockbook).await);
    for (sku, item) in &oracle.items {
        let days = item.flow();
        let (Some(first), Some(last)) = (days.keys().next(), days.keys().next_back()) else {
            continue;
        };
        let from = (*last - chrono::Days::new(300)).max(*first).succ_opt().unwrap();
        let path = format!("/v1/flow/{sku}?from={from}&to={}", *last + chrono::Days::new(3));
        assert_flow(&stockbook.read_at(&path, &token).await.json(), &days);
    }
    assert_published(&stockbook, &oracle).await;
    let raised: BTreeSet<String> = oracle.short().collect();
    let (mut listed, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/v1/alerts?state=raised&limit=100{cursor}");
        let page = stockbook.read_at(&path, &token).await.json();
        for row in page["items"].as_array().unwrap() {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            assert!(oracle.alerts.contains_key(&text("id")), "{row}");
            listed.insert(format!("{}/{}", text("sku"), text("location")));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(listed, raised);
    println!("{} items, {} alerts", oracle.items.len(), oracle.alerts.len());
}

async fn an_alert_goes_out_once_whatever_is_delivered_again_or_rebuilt(world: Arc<World>) {
    let mut stockbook = start(&world, 4).await;
    let skus = ["A", "B", "C", "D", "E", "F"];
    stockbook.register(&skus).await;
    let command = stockbook.command();
    for sku in skus {
        let point = json!({"reorder_point": 10});
        command.put(&format!("/v1/items/{sku}"), point).await.expect_status(200);
    }
    for quantity in [12, 15, 12] {
        let lines: Vec<(&str, i64)> = skus.iter().map(|sku| (*sku, quantity)).collect();
        stockbook.receive(&lines).await;
        command.done("/v1/issues", lines_at_main(&lines)).await;
    }
    let oracle = Oracle::over(&log_of(&stockbook).await);
    assert!(oracle.alerts.len() > skus.len());
    assert_published(&stockbook, &oracle).await;
    // Every record once more.
    stockbook.queries[0].stop().await.unwrap();
    for group in ["stock_v1", "daily_flow_v1", "low_stock_v1"] {
        let group = format!("{}.{group}", name(&stockbook));
        super::projection::rewind(&stockbook, &group).await;
    }
    start_again(&mut stockbook.queries[0]).await;
    // Every view from the log once more, and back again.
    done(&stockbook, &["rebuild", "low_stock"]).await;
    stockbook.receive(&[("A", 100)]).await;
    done(&stockbook, &["rebuild", "low_stock", "--back"]).await;
    command.done("/v1/issues", lines_at_main(&[("A", 95)])).await;
    let token = stockbook.heads().await;
    let path = "/v1/alerts?sku=A&state=raised";
    let short = stockbook.read_at(path, &token).await.json();
    assert_eq!(short["items"].as_array().map(Vec::len), Some(1), "{short}");
    assert_published(&stockbook, &Oracle::over(&log_of(&stockbook).await)).await;
}

/// Fails unless the three projections tell the same story of every pair and item.
async fn assert_views_agree(stockbook: &Stockbook) {
    let token = stockbook.heads().await;
    let path = format!("/v1/projections?min_position={token}&wait_ms=30000");
    stockbook.query().get(&path).await.expect_status(200);
    let database = stockbook.read_database().await;
    let differing: (i64, i64, i64) = sqlx::query_as(
        "select \
           (select count(*) from stock_v1.stock_levels s \
            full join low_stock_v1.levels l using (sku, location) \
            where s.available is distinct from l.available), \
           (select count(*) from stock_v1.stock_totals t \
            full join (select sku, sum(net) as net from daily_flow_v1.days group by sku) f \
            using (sku) where t.on_hand is distinct from f.net), \
           (select count(*) from stock_v1.stock_levels)",
    )
    .fetch_one(&database)
    .await
    .unwrap();
    assert_eq!((differing.0, differing.1), (0, 0));
    assert!(differing.2 > 0);
}

async fn instances_that_come_and_go_under_load_apply_nothing_twice(world: Arc<World>) {
    let mut stockbook = start(&world, 8).await;
    let skus: Vec<String> = (0..40).map(|number| format!("S{number}")).collect();
    stockbook.register(&skus).await;
    let api: Api = stockbook.command();
    let trading = tokio::spawn(async move {
        for round in 0.. {
            let lines: Vec<(&str, i64)> =
                skus.iter().skip(round % 7).step_by(3).map(|sku| (sku.as_str(), 2)).collect();
            api.done("/v1/receipts", lines_at_main(&lines)).await;
            let lines: Vec<(&str, i64)> = lines.iter().map(|(sku, _)| (*sku, 1)).collect();
            api.done("/v1/issues", lines_at_main(&lines)).await;
        }
    });
    let (seed, mut random) = seeded();
    println!("seed {seed}");
    // Instances come and go after any number of events.
    let mut some_trade = async |stockbook: &Stockbook| {
        let more = random.random_range(0..4_000);
        let now = stockbook.recorded().await;
        let ask = async || stockbook.recorded().await;
        eventually("trade goes on", ask, |seen| *seen > now + more).await;
    };
    add_query_service(&mut stockbook).await;
    some_trade(&stockbook).await;
    add_query_service(&mut stockbook).await;
    some_trade(&stockbook).await;
    stockbook.queries[1].kill().await.unwrap();
    some_trade(&stockbook).await;
    start_again(&mut stockbook.queries[1]).await;
    stockbook.queries[2].stop().await.unwrap();
    some_trade(&stockbook).await;
    assert!(!trading.is_finished());
    trading.abort();
    assert_views_agree(&stockbook).await;
    println!("{} events through three instances", stockbook.recorded().await);
    done(&stockbook, &["rebuild", "daily_flow", "--compare"]).await;
    done(&stockbook, &["rebuild", "low_stock", "--compare"]).await;
    done(&stockbook, &["rebuild", "stock", "--compare"]).await;
}
