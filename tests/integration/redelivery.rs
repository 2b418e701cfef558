//! However the records arrive, and whatever is lost on the way, the views' rows are the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use integration_tests::{
    READY_MAX, Size, Stockbook, World, eventually, lines_at_main, read_partition, seeded,
    start_again,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use serde_json::json;
use shared_events::record::Record;
use sqlx::{AssertSqlSafe, PgConnection};

trials! {
    records_delivered_again_while_lanes_change_hands_at_any_moment_change_no_row,
    a_recreated_topic_changes_no_row_and_stops_no_lane,
    views_restored_from_an_older_backup_catch_up,
}

const ANSWER_MAX: Duration = Duration::from_secs(30);

const SKUS: [&str; 8] = ["A", "B", "C", "D", "E", "F", "G", "H"];

/// Sales, moves and reservations of every item.
async fn trade(stockbook: &Stockbook) {
    let command = stockbook.command();
    for pair in SKUS.chunks(2) {
        stockbook.receive(&[(pair[0], 20), (pair[1], 20)]).await;
        let sale = lines_at_main(&[(pair[0], 3), (pair[1], 1)]);
        command.done("/v1/issues", sale).await;
        let held = command.reserve("cart", 600, &[(pair[0], 2), (pair[1], 2)]).await;
        let id = held.reservation_id();
        command.take(&id, "confirm", json!({})).await;
        command.take(&id, "fulfil", json!({})).await;
    }
}

/// A checksum of the rows of every view, once everything recorded is applied to all of them.
pub(crate) async fn checksums(stockbook: &Stockbook) -> BTreeMap<String, (i64, String)> {
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/projections", &token).await;
    let mut database = stockbook.read_superuser().await;
    let tables = "select format('%I.%I', schemaname, tablename) from pg_tables \
                  where schemaname like '%\\_v1' order by 1";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut database).await.unwrap();
    let mut sums: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for table in tables {
        let query = format!(
            "select count(*), md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {table} t"
        );
        let sum = sqlx::query_as(AssertSqlSafe(query)).fetch_one(&mut database).await;
        sums.insert(table, sum.expect("a view can be read"));
    }
    assert!(sums["stock_v1.movements"].0 > 0, "{sums:?}");
    sums
}

/// Every lane of every view takes what comes, and the views are what the log says.
async fn assert_no_lane_is_stuck(stockbook: &Stockbook) {
    for sku in SKUS {
        stockbook.receive(&[(sku, 1)]).await;
    }
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/projections", &token).await;
    for lane in stockbook.query().rows("/v1/projections?").await {
        assert_ne!(lane["state"], "stopped", "{lane}");
    }
    let report = stockbook.read_at("/v1/integrity", &token).await.json();
    super::integrity::assert_ok(&report);
    assert_eq!(report["checked"], stockbook.recorded().await, "{report}");
}

/// Sends each record of the topic once more, up to five times in a row, as a relay might that does not
/// know what it has sent; and again from the first on, until it is stopped. Counts what it sent.
async fn deliver_again(
    brokers: String,
    topic: String,
    records: Vec<Vec<Record>>,
    mut random: StdRng,
    sent: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) {
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("linger.ms", "0")
        .create()
        .expect("a producer can be made");
    while !stop.load(Ordering::Relaxed) {
        for record in records.iter().flatten() {
            let headers =
                record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header { key, value: Some(value.as_bytes()) })
                });
            for _ in 0..random.random_range(1..=5) {
                let message = FutureRecord::to(&topic)
                    .partition(record.partition)
                    .key(&record.key)
                    .payload(&record.value)
                    .headers(headers.clone());
                let outcome = producer.send(message, ANSWER_MAX).await;
                outcome.unwrap_or_else(|(error, _)| panic!("not delivered: {error}"));
                sent.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    producer.flush(ANSWER_MAX).expect("everything is delivered");
}

/// One of the instances is killed, stopped, or started again: its lanes change hands.
async fn change_hands(stockbook: &mut Stockbook, random: &mut StdRng) {
    let among = 0..stockbook.queries.len();
    let instance = &mut stockbook.queries[random.random_range(among)];
    let ended = match instance.pid() {
        None => return instance.start_again().await.expect("the service starts again"),
        Some(_) if random.random() => instance.kill().await,
        Some(_) => instance.stop().await,
    };
    ended.expect("the service ends");
}

async fn records(stockbook: &Stockbook) -> Vec<Vec<Record>> {
    super::relay::assert_topic_equals_log(stockbook).await;
    let mut records = Vec::new();
    for lane in 0..stockbook.lanes {
        let partition = read_partition(stockbook.brokers(), &stockbook.topic, lane).await;
        records.push(partition.into_iter().map(|(_, record)| record).collect());
    }
    records
}

async fn records_delivered_again_while_lanes_change_hands_at_any_moment_change_no_row(
    world: Arc<World>,
) {
    let changes = Size::wanted().scaled(8, 8);
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_query_service(&[]).await;
    stockbook.register(&SKUS).await;
    trade(&stockbook).await;
    let before = checksums(&stockbook).await;
    let (seed, mut random) = seeded();
    println!("lanes change hands {changes} times; seed {seed}");
    let (sent, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let delivering = tokio::spawn(deliver_again(
        stockbook.brokers().to_owned(),
        stockbook.topic.clone(),
        records(&stockbook).await,
        StdRng::seed_from_u64(random.random()),
        Arc::clone(&sent),
        Arc::clone(&stop),
    ));
    for _ in 0..changes {
        let moment = sent.load(Ordering::Relaxed) + random.random_range(0..3_000);
        let seen = async || sent.load(Ordering::Relaxed);
        eventually("records are delivered again", seen, |sent| *sent >= moment).await;
        change_hands(&mut stockbook, &mut random).await;
    }
    stop.store(true, Ordering::Relaxed);
    delivering.await.expect("everything is delivered");
    println!("{} records delivered again", sent.load(Ordering::Relaxed));
    for instance in &mut stockbook.queries {
        match instance.pid() {
            None => start_again(instance).await,
            // Perhaps it was started a moment ago.
            Some(_) => instance.ready(READY_MAX).await.expect("the service becomes ready"),
        }
    }
    assert_eq!(checksums(&stockbook).await, before);
    assert_no_lane_is_stuck(&stockbook).await;
}

async fn a_recreated_topic_changes_no_row_and_stops_no_lane(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    stockbook.register(&SKUS).await;
    trade(&stockbook).await;
    let before = checksums(&stockbook).await;
    stockbook.delete_topic().await;
    stockbook.topic_is_gone().await;
    stockbook.create_topic().await;
    assert_eq!(checksums(&stockbook).await, before);
    assert_no_lane_is_stuck(&stockbook).await;
}

async fn views_restored_from_an_older_backup_catch_up(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.register(&SKUS).await;
    trade(&stockbook).await;
    let read = stockbook.urls.read.path().trim_start_matches('/').to_owned();
    let older = checksums(&stockbook).await;
    stockbook.queries[0].stop().await.expect("the service stops");
    let mut server = stockbook.server_superuser().await;
    copy_database(&mut server, &read, &format!("{read}_backup")).await;
    start_again(&mut stockbook.queries[0]).await;
    trade(&stockbook).await;
    let newer = checksums(&stockbook).await;
    assert_ne!(newer, older);
    // Kafka's group is further than the backup; what lies between is fetched from the log.
    stockbook.queries[0].stop().await.expect("the service stops");
    let rename = format!("alter database {read} rename to {read}_lost");
    sqlx::raw_sql(AssertSqlSafe(rename)).execute(&mut server).await.expect("nobody is connected");
    copy_database(&mut server, &format!("{read}_backup"), &read).await;
    start_again(&mut stockbook.queries[0]).await;
    assert_eq!(checksums(&stockbook).await, newer);
    assert_no_lane_is_stuck(&stockbook).await;
}

/// Copies a database that nobody is connected to.
async fn copy_database(server: &mut PgConnection, from: &str, to: &str) {
    let statements = [
        format!("create database {to} template {from} owner stockbook_owner"),
        format!("revoke all on database {to} from public"),
        format!("grant connect on database {to} to stockbook_query"),
    ];
    for statement in statements {
        // A session that has just ended may still be seen for a moment.
        let copy = async || {
            let done = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut *server).await;
            done.err().map(|error| error.to_string())
        };
        eventually("the database can be copied", copy, Option::is_none).await;
    }
}
