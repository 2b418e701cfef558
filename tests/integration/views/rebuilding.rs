//! A projection is rebuilt next to the one that answers, and no reader notices.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;

use integration_tests::{Api, Size, Stockbook, World, eventually, lines_at_main};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{done, run, start, subcommand};
use crate::console::{OWN, assert_shows, send};

trials! {
    a_projection_is_rebuilt_and_swapped_under_load_and_no_reader_notices,
    an_operator_rebuilds_a_projection_by_the_api_and_goes_back,
}

/// Lines of one receipt that fills the log.
const LINES: usize = 1_000;

/// Fills the log with about so many events of ten thousand items.
async fn fill_log(stockbook: &Stockbook, events: usize) {
    let command = stockbook.command();
    command.put("/v1/locations/MAIN", json!({})).await.expect_status(201);
    let skus: Vec<String> = (0..events.min(10_000) / 2).map(|nth| format!("F{nth}")).collect();
    let batches = skus.chunks(500).map(|chunk| {
        let register = |sku| json!({"type": "register_item", "sku": sku, "reorder_point": 3});
        let commands: Vec<Value> = chunk.iter().map(register).collect();
        json!({"mode": "independent", "commands": commands})
    });
    for batch in batches {
        command.done("/v1/batches", batch).await;
    }
    let mut next = skus.iter().cycle();
    for round in 0..(events - skus.len()).div_ceil(LINES) {
        let amount = if round % 3 == 2 { 1 } else { 2 };
        let lines: Vec<(&str, i64)> =
            (0..LINES).map(|_| (next.next().unwrap().as_str(), amount)).collect();
        let path = if round % 3 == 2 { "/v1/issues" } else { "/v1/receipts" };
        let answer = command.post(path, lines_at_main(&lines)).await;
        assert!(answer.status == 200 || path == "/v1/issues", "{answer:?}");
    }
}

/// Clients that trade at the same time.
const CLIENTS: u32 = 16;

/// Receives one unit a command at a fixed rate, whatever the other load; the version shows the number,
/// too.
async fn trade(api: Api, per_second: u32, stop: Arc<AtomicBool>) -> i64 {
    let client = async || {
        let mut received = 0;
        let mut turns = interval(Duration::from_secs(1) * CLIENTS / per_second);
        turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !stop.load(Ordering::Relaxed) {
            turns.tick().await;
            api.done("/v1/receipts", lines_at_main(&[("HOT", 1)])).await;
            received += 1;
        }
        received
    };
    join_all((0..CLIENTS).map(|_| client())).await.into_iter().sum()
}

/// Reads what was just written, again and again; every answer has to be whole.
async fn read(command: Api, query: Api, stop: Arc<AtomicBool>) -> usize {
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        let written = command.post("/v1/receipts", lines_at_main(&[("COLD", 1)])).await;
        let position = written.expect_status(200).position();
        let path = format!("/v1/stock/COLD?min_position={position}&wait_ms=10000");
        let stock = query.json(&path).await;
        assert_eq!(stock["on_hand"], stock["version"], "{stock}");
        assert_eq!(stock["on_hand"], reads as i64 + 1, "{stock}");
        assert_eq!(stock["locations"][0]["on_hand"], stock["on_hand"], "{stock}");
        let hot = query.json("/v1/stock/HOT").await;
        assert_eq!(hot["on_hand"], hot["version"], "{hot}");
        let list = query.json("/v1/stock?limit=200").await;
        assert_eq!(list["items"].as_array().map(Vec::len), Some(200), "a half-filled list");
        reads += 1;
    }
    reads
}

/// Which version answers, by what the service says.
async fn active(stockbook: &Stockbook, projection: &str) -> i64 {
    let lanes = stockbook.query().rows("/v1/projections?").await;
    let one = lanes.iter().find(|one| one["projection"] == projection && one["active"] == true);
    one.unwrap()["version"].as_i64().unwrap()
}

/// Starts a rebuild and kills it once it has reported that it started.
async fn killed_half_way(stockbook: &Stockbook) {
    let mut command = subcommand(stockbook, &["rebuild", "stock"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap_or_default();
    assert!(first.contains("is filled from the log"), "{first}");
    let at_work = async || {
        let lanes = stockbook.query().rows("/v1/projections?").await;
        let filling = |one: &&Value| one["version"] == 2 && one["state"] == "filling";
        lanes.iter().filter(filling).filter_map(|one| one["position"].as_i64()).sum::<i64>()
    };
    eventually("the rebuild is under way", at_work, |applied| *applied > 0).await;
    child.kill().await.unwrap();
}

async fn a_projection_is_rebuilt_and_swapped_under_load_and_no_reader_notices(world: Arc<World>) {
    let events = Size::wanted().scaled(20_000, 50);
    let stockbook = start(&world, 8).await;
    fill_log(&stockbook, events).await;
    let command = stockbook.command();
    for sku in ["HOT", "COLD"] {
        command.put(&format!("/v1/items/{sku}"), json!({})).await.expect_status(201);
    }
    stockbook.receive(&[("HOT", 1)]).await;
    let token = stockbook.heads().await;
    let path = format!("/v1/projections?min_position={token}&wait_ms=1000");
    let caught_up = async || stockbook.query().get(&path).await.status;
    eventually("the views follow", caught_up, |status| *status == 200).await;

    let stop = Arc::new(AtomicBool::new(false));
    let per_second = u32::try_from(Size::wanted().scaled(100, 10)).unwrap();
    let trading = tokio::spawn(trade(stockbook.command(), per_second, Arc::clone(&stop)));
    let load_started = Instant::now();
    let reading = tokio::spawn(read(stockbook.command(), stockbook.query(), Arc::clone(&stop)));
    killed_half_way(&stockbook).await;
    let started = Instant::now();
    let said = done(&stockbook, &["rebuild", "stock", "--compare"]).await;
    println!("{events} events: filled and compared in {:?}", started.elapsed());
    for line in said.lines().filter(|line| line.contains("events/s") || line.contains("equal: ")) {
        println!("  {line}");
    }
    assert_eq!(active(&stockbook, "stock").await, 1);
    for (arguments, version) in [
        (&["rebuild", "stock"][..], 2),
        (&["rebuild", "stock", "--back"], 1),
        (&["rebuild", "stock"], 2),
    ] {
        let started = Instant::now();
        done(&stockbook, arguments).await;
        println!("{arguments:?}: {:?}", started.elapsed());
        let now = async || active(&stockbook, "stock").await;
        eventually("the other version answers", now, |active| *active == version).await;
    }
    let (refused, said) = run(&stockbook, &["rebuild", "stock"]).await;
    assert!(!refused && said.contains("--drop"), "{said}");
    done(&stockbook, &["rebuild", "stock", "--compare"]).await;
    done(&stockbook, &["rebuild", "stock", "--drop"]).await;
    stop.store(true, Ordering::Relaxed);
    let (received, reads) = (trading.await.unwrap(), reading.await.unwrap());
    let received_per_second = received as f64 / load_started.elapsed().as_secs_f64();
    println!(
        "meanwhile {received} receipts, {received_per_second:.0}/s of {per_second}/s wanted, and \
         {reads} reads"
    );
    assert!(received > 0 && reads > 0);
    let token = stockbook.heads().await;
    let hot = stockbook.read_at("/v1/stock/HOT/MAIN", &token).await.json();
    assert_eq!(hot["on_hand"], received + 1);
    let database = stockbook.read_database().await;
    let schemas = "select array_agg(nspname::text order by 1) from pg_namespace \
                   where nspname like 'stock\\_v%'";
    let schemas: Vec<String> = sqlx::query_scalar(schemas).fetch_one(&database).await.unwrap();
    assert_eq!(schemas, ["stock_v2"]);
}

async fn an_operator_rebuilds_a_projection_by_the_api_and_goes_back(world: Arc<World>) {
    const REBUILD: &str = "/v1/projections/low_stock/rebuild";
    let mut stockbook = start(&world, 2).await;
    fill_log(&stockbook, 4_000).await;
    stockbook.query().post(REBUILD, json!({})).await.expect_problem(501, "not_configured");
    let owner = stockbook.urls.read_owner.to_string();
    stockbook.add_query_service(&[("MIGRATE_DATABASE_URL", &owner)]).await;
    let query = stockbook.readers().pop().unwrap();
    let bad = query.post(REBUILD, json!({"step": "twice"})).await;
    assert_eq!(bad.expect_problem(422, "validation_failed")["errors"][0]["pointer"], "/step");
    query.post("/v1/projections/prices/rebuild", json!({})).await.expect_problem(404, "not_found");
    query.post(REBUILD, json!({"step": "back"})).await.expect_problem(409, "projection_state");
    let step = async |body: Value, expected: i64| {
        let begun = query.post(REBUILD, body).await.expect_status(202);
        assert_eq!(begun.header("location"), Some("/v1/projections"), "{begun:?}");
        let now = async || active(&stockbook, "low_stock").await;
        eventually("the other version answers", now, |active| *active == expected).await;
    };
    step(json!({}), 2).await;
    // The older version is kept.
    let blocked = query.post(REBUILD, json!({})).await.expect_problem(409, "projection_state");
    assert!(blocked["detail"].as_str().unwrap().contains("drop"), "{blocked}");
    // The console's form says the same, and goes back.
    let console = stockbook.console(&[("QUERY_URL", &stockbook.queries[1].url())]).await;
    let pages = Api::new(&console.url());
    for (step, status, says) in [("swap", 409, "drop"), ("back", 200, "low_stock v1")] {
        let fields = [("projection", "low_stock"), ("step", step)];
        let page = send(&pages, "/operations/rebuild", &fields, &[OWN]).await;
        assert_shows(&page.expect_status(status), &[says]);
    }
    let now = async || active(&stockbook, "low_stock").await;
    eventually("the older version answers", now, |active| *active == 1).await;
    query.post(REBUILD, json!({"step": "drop"})).await.expect_status(202);
    let versions = async || {
        let lanes = query.rows("/v1/projections?").await;
        lanes.iter().filter(|one| one["projection"] == "low_stock" && one["version"] == 2).count()
    };
    eventually("the other version is dropped", versions, |lanes| *lanes == 0).await;
}
