//! Many transfers between many locations at once: what is there, on its way and lost is what there was, at
//! every position.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use integration_tests::{Api, Size, Stockbook, World, each, seeded};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared_events::recorded::RecordedEvent;

use super::super::relay::assert_topic_equals_log;
use super::super::views::done as run_done;
use super::{amounts, id, line, parts, step};

trials! {
    random_transfers_between_twenty_locations_lose_only_what_they_say,
    the_largest_transfer_reaches_the_topic_and_the_views,
}

const LOCATIONS: usize = 20;
const SKUS: usize = 10;
const CLIENTS: usize = 16;

/// What there is of each item at first, at one location, for each transfer: more than is lost.
const START_EACH: i64 = 5;

fn location(number: usize) -> String {
    format!("L{number}")
}

/// Sends some, and lets it come in in parts, go back and be lost, until nothing is on its way.
async fn transfer(api: &Api, chance: &mut StdRng) -> usize {
    let mut lines = Vec::new();
    for _ in 0..chance.random_range(1..=3) {
        let from = chance.random_range(0..LOCATIONS);
        let to = (from + chance.random_range(1..LOCATIONS)) % LOCATIONS;
        let sku = format!("S{}", chance.random_range(0..SKUS));
        lines.push(line(&sku, &location(from), &location(to), chance.random_range(1..=20)));
    }
    let sent = api.post("/v1/transfers", json!({"lines": lines})).await;
    if sent.status == 409 {
        sent.expect_problem(409, "insufficient_stock");
        return 0;
    }
    let sent = sent.expect_status(201);
    let (transfer, mut after) = (id(&sent), sent.json()["transfer"].clone());
    while !matches!(after["status"].as_str(), Some("received" | "closed" | "returned")) {
        let open = |one: &Value| {
            let amount = |name: &str| one[name].as_i64().expect("an amount");
            amount("quantity") - amount("received") - amount("lost") - amount("returned")
        };
        let mut some: Vec<(u32, i64)> =
            (1..).zip(after["lines"].as_array().unwrap().iter().map(open)).collect();
        some.retain(|(_, open)| *open > 0);
        for (_, quantity) in &mut some {
            *quantity = chance.random_range(1..=*quantity);
        }
        let (name, body) = match chance.random_range(0..10) {
            0 => ("close", json!({"reason": "lost"})),
            1 => ("return", json!({})),
            2..=3 => ("return", parts(&some)),
            _ => ("receive", parts(&some)),
        };
        let done = step(api, &transfer, name, body).await.expect_status(200);
        after = done.json()["transfer"].clone();
    }
    1
}

/// Walks over the log: of each item, what is there, on its way, between the halves of a command, and lost is
/// always what there was. Returns what is lost of each.
fn walk(log: &[RecordedEvent]) -> BTreeMap<String, i64> {
    #[derive(Default)]
    struct Balance {
        places: BTreeMap<String, (i64, i64)>,
        received: i64,
        lost: i64,
        between: i64,
    }
    let mut items: BTreeMap<String, Balance> = BTreeMap::new();
    let stock = log.iter().filter(|event| event.event_type.starts_with("Stock"));
    for event in stock {
        let data: Value = serde_json::from_str(event.data.get()).expect("JSON");
        let text = |name: &str| data[name].as_str().expect("text").to_owned();
        let quantity = data["quantity"].as_i64().expect("an amount");
        let after = &data["after"];
        let after = (after["on_hand"].as_i64().unwrap(), after["incoming"].as_i64().unwrap_or(0));
        assert!(after.0 >= 0 && after.1 >= 0, "{data}");
        let item = items.entry(text("sku")).or_default();
        item.places.insert(text("location"), after);
        match event.event_type.as_str() {
            "StockReceived" => item.received += quantity,
            "StockDispatched" | "StockRecalled" | "StockMovedOut" => item.between += quantity,
            "StockExpected" | "StockBroughtBack" | "StockMovedIn" => item.between -= quantity,
            "StockLost" => item.lost += quantity,
            "StockArrived" => {}
            other => panic!("{other}"),
        }
        let sum: i64 = item.places.values().map(|(on_hand, incoming)| on_hand + incoming).sum();
        assert_eq!(sum + item.between + item.lost, item.received, "{}: {data}", event.id());
    }
    assert!(items.values().all(|item| item.between == 0), "half of a command");
    items.into_iter().map(|(sku, item)| (sku, item.lost)).collect()
}

async fn random_transfers_between_twenty_locations_lose_only_what_they_say(world: Arc<World>) {
    let transfers = Size::wanted().scaled(160, 63);
    let start = START_EACH * i64::try_from(transfers).expect("a number of transfers");
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    let skus: Vec<String> = (0..SKUS).map(|number| format!("S{number}")).collect();
    stockbook.stock(&each(&skus, start)).await;
    let command = stockbook.command();
    for number in 0..LOCATIONS {
        let path = format!("/v1/locations/{}", location(number));
        command.put(&path, json!({})).await.expect_status(201);
    }
    let lines: Vec<Value> = skus.iter().map(|sku| line(sku, "MAIN", "L0", start)).collect();
    command.done("/v1/moves", json!({"lines": lines})).await;

    let (seed, _) = seeded();
    let instances = stockbook.instances();
    let clients = (0..CLIENTS).map(|nth| {
        let (api, mut chance) =
            (&instances[nth % 2], StdRng::seed_from_u64(seed.wrapping_add(nth as u64)));
        async move {
            let mut done = 0;
            while done < transfers / CLIENTS {
                done += transfer(api, &mut chance).await;
            }
            done
        }
    });
    let done: usize = join_all(clients).await.into_iter().sum();
    let lost = walk(&stockbook.log().await);
    println!("seed {seed}: {done} transfers, {} units lost", lost.values().sum::<i64>());
    assert!(lost.values().sum::<i64>() > 0);

    // The views say the same, now and at any position that was answered.
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/transfers", &token).await;
    for sku in &skus {
        let item = stockbook.query().json(&format!("/v1/stock/{sku}")).await;
        assert_eq!(amounts(&item), (start - lost[sku], 0), "seed {seed}: {item}");
    }
    for status in ["in_transit", "partially_received"] {
        let open = stockbook.query().json(&format!("/v1/transfers?status={status}")).await;
        assert_eq!(open["items"], json!([]), "seed {seed}");
    }
    let checked = stockbook.query().json("/v1/integrity").await;
    assert_eq!(checked["ok"], true, "seed {seed}: {checked}");
    stockbook.verify().await;
    for view in stockbook.views().await {
        run_done(&stockbook, &["rebuild", &view, "--compare"]).await;
    }
}

/// A transfer of as many lines as there may be, with long names: each of its steps says all of it.
async fn the_largest_transfer_reaches_the_topic_and_the_views(world: Arc<World>) {
    const LINES: usize = 5_000;
    const EACH: i64 = 100_000_000_000;
    let stockbook = Stockbook::start(&world).await;
    let (sku, to) = ("x".repeat(64), "y".repeat(64));
    stockbook.stock(&[(&sku, EACH * 5_000)]).await;
    let command = stockbook.command();
    command.put(&format!("/v1/locations/{to}"), json!({})).await.expect_status(201);
    let lines = vec![line(&sku, "MAIN", &to, EACH); LINES];
    let sent = command.post("/v1/transfers", json!({"lines": lines})).await.expect_status(201);
    let all: Vec<(u32, i64)> = (1..).zip(vec![EACH; LINES]).collect();
    let received = step(&command, &id(&sent), "receive", parts(&all)).await.expect_status(200);
    let largest = stockbook.log().await.iter().map(|event| event.data.get().len()).max();
    println!("the largest event has {} bytes", largest.expect("an event"));
    assert_topic_equals_log(&stockbook).await;
    let path = format!("/v1/transfers/{}", id(&sent));
    let seen = stockbook.read_at(&path, &received.position()).await.json();
    assert_eq!(seen["status"], "received");
    let stock =
        stockbook.read_at(&format!("/v1/stock/{sku}/{to}"), &received.position()).await.json();
    assert_eq!(amounts(&stock), (EACH * 5_000, 0));
}
