//! Several views next to each other: flows, low stock, and its alerts.

pub(crate) mod extremes;
pub(crate) mod low;
pub(crate) mod overview;
pub(crate) mod poison;
pub(crate) mod rebuilding;

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::Arc;

use integration_tests::{
    Api, Oracle, Stockbook, World, assert_flow, each, eventually, lines_at_main, read_messages,
    seeded, start_again,
};
use rand::RngExt;
use rdkafka::message::Message;
use serde_json::{Value, json};
use stack::replay::plan::Stock;
use tokio::process::Command;

use super::replay::{play, trade_of};

trials! {
    every_view_of_a_days_trade_agrees_with_the_log,
    an_alert_goes_out_once_whatever_is_delivered_again_or_rebuilt,
    instances_that_come_and_go_under_load_apply_nothing_twice,
}

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

pub(crate) async fn add_query_service(stockbook: &mut Stockbook) {
    let alerts = alerts_topic(stockbook);
    let settings =
        [("ALERTS_TOPIC", &*alerts), ("SESSION_TIMEOUT_MS", "6000"), ("STOPPED_RETRY_MS", "1000")];
    stockbook.add_query_service(&settings).await;
}

/// A subcommand of the query-service, as its owner runs it.
fn subcommand(stockbook: &Stockbook, arguments: &[&str]) -> Command {
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
    let Output { status, stdout, stderr } =
        subcommand(stockbook, arguments).output().await.unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

/// Runs a subcommand that has to succeed.
pub(crate) async fn done(stockbook: &Stockbook, arguments: &[&str]) -> String {
    let (is_done, said) = run(stockbook, arguments).await;
    assert!(is_done, "{arguments:?}: {said}");
    said
}

/// Everything on the alerts' topic: key and value.
pub(crate) async fn published(stockbook: &Stockbook) -> Vec<(String, Value)> {
    let mut alerts = Vec::new();
    for partition in 0..stockbook.lanes {
        let topic = alerts_topic(stockbook);
        for message in read_messages(stockbook.brokers(), &topic, partition).await {
            let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
            let value = serde_json::from_slice(message.payload().unwrap_or_default());
            alerts.push((key, value.expect("an alert is JSON")));
        }
    }
    alerts
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
    play(&stockbook, &trade_of(Stock::Full), 8).await;
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/items", &token).await;
    for item in stockbook.query().json("/v1/items?limit=200").await["items"].as_array().unwrap() {
        let path = format!("/v1/items/{}", item["sku"].as_str().unwrap());
        for point in [1_000_000, 7] {
            stockbook
                .command()
                .put(&path, json!({"reorder_point": point}))
                .await
                .expect_status(200);
        }
    }
    let token = stockbook.heads().await;
    let oracle = Oracle::over(&stockbook.log().await);
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
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let mut listed = BTreeSet::new();
    for row in stockbook.query().rows("/v1/alerts?state=raised&limit=100").await {
        assert!(oracle.alerts.contains_key(&text(&row, "id")), "{row}");
        listed.insert(format!("{}/{}", text(&row, "sku"), text(&row, "location")));
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
        let lines = each(&skus, quantity);
        stockbook.receive(&lines).await;
        command.done("/v1/issues", lines_at_main(&lines)).await;
    }
    let oracle = Oracle::over(&stockbook.log().await);
    assert!(oracle.alerts.len() > skus.len());
    assert_published(&stockbook, &oracle).await;
    // Every record once more.
    stockbook.queries[0].stop().await.unwrap();
    super::projection::rewind(&stockbook).await;
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
    assert_published(&stockbook, &Oracle::over(&stockbook.log().await)).await;
}

/// Fails unless the three projections tell the same story of every pair and item.
async fn assert_views_agree(stockbook: &Stockbook) {
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/projections", &token).await;
    let database = stockbook.read_database().await;
    let differing = "select \
           (select count(*) from stock_v1.stock_levels s \
            full join low_stock_v1.levels l using (sku, location) \
            where s.available is distinct from l.available), \
           (select count(*) from stock_v1.stock_totals t \
            full join (select sku, sum(net) as net from daily_flow_v1.days group by sku) f \
            using (sku) where t.on_hand is distinct from f.net), \
           (select count(*) from stock_v1.stock_levels)";
    let differing = sqlx::query_as(differing).fetch_one(&database).await;
    let differing: (i64, i64, i64) = differing.unwrap();
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
            let skus: Vec<&String> = skus.iter().skip(round % 7).step_by(3).collect();
            api.done("/v1/receipts", lines_at_main(&each(&skus, 2))).await;
            api.done("/v1/issues", lines_at_main(&each(&skus, 1))).await;
        }
    });
    let (seed, mut random) = seeded();
    println!("seed {seed}");
    // Instances come and go after any number of events.
    let mut some_trade = async |stockbook: &Stockbook| {
        let more = random.random_range(0..4_000);
        stockbook.grown_to(stockbook.recorded().await + more + 1).await;
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
    for view in stockbook.views().await {
        done(&stockbook, &["rebuild", &view, "--compare"]).await;
    }
}
