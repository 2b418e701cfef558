//! Many callers with orders of many lines over few items: no deadlock, no failure, no unit lost.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use integration_tests::{
    Answer, Api, Figures, Size, Stockbook, World, each, lines_at_main, seeded, stop,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::Instant;

trials! {
    a_hundred_clients_on_twenty_items_never_deadlock_and_never_fail,
}

const CLIENTS: usize = 100;
const LINES_MAX: usize = 30;

/// How a client's day went.
#[derive(Debug, Default)]
struct Day {
    accepted: usize,
    refused: usize,
}

impl Day {
    /// Accepted, or refused because too little is there; anything else is a failure.
    fn count(&mut self, answer: Answer) -> Option<Answer> {
        if matches!(answer.status, 200 | 201) {
            self.accepted += 1;
            return Some(answer);
        }
        let is_batch = answer.asked.ends_with("/v1/batches");
        answer.expect_problem(409, if is_batch { "batch_refused" } else { "insufficient_stock" });
        self.refused += 1;
        None
    }
}

/// An order of up to thirty lines in no order, the same item more than once at times.
fn order(skus: &[String], chance: &mut StdRng) -> Value {
    let lines = chance.random_range(1..=LINES_MAX);
    let line = |_| (skus[chance.random_range(0..skus.len())].as_str(), chance.random_range(1..=3));
    let lines: Vec<(&str, i64)> = (0..lines).map(line).collect();
    lines_at_main(&lines)
}

/// An order that goes out and is taken back, whichever lanes it lies in.
async fn mistake(api: &Api, order: Value, day: &mut Day) {
    if let Some(issued) = day.count(api.post("/v1/issues", order).await) {
        let target = json!({"correlation_id": issued.json()["correlation_id"]});
        let back = api.done("/v1/reversals", target).await;
        // Holds that are over by then may end in either.
        let of =
            |answer: &Answer, kind: &str| answer.types().iter().filter(|one| *one == kind).count();
        assert_eq!(of(&back, "StockReversed"), of(&issued, "StockIssued"), "{}", back.body);
        day.count(back);
    }
}

/// One thing after another until the day is over.
async fn client(api: &Api, skus: &[String], mut chance: StdRng, until: Instant) -> Day {
    let mut day = Day::default();
    while Instant::now() < until {
        let mut body = order(skus, &mut chance);
        match chance.random_range(0..10) {
            0..=1 => drop(day.count(api.post("/v1/issues", body).await)),
            2 => mistake(api, body, &mut day).await,
            3 => {
                let (mut comes, mut goes) = (body, order(skus, &mut chance));
                comes["type"] = json!("receive_stock");
                goes["type"] = json!("issue_stock");
                let batch = json!({"mode": "atomic", "commands": [comes, goes]});
                drop(day.count(api.post("/v1/batches", batch).await));
            }
            4..=5 => drop(day.count(api.post("/v1/receipts", body).await)),
            way => {
                // Some are left to the sweeper.
                body["owner"] = json!("cart");
                body["ttl_seconds"] = json!(if way == 9 { 1 } else { 600 });
                let steps: &[&str] = match way {
                    6 => &["release"],
                    7 => &["confirm", "fulfil"],
                    8 => &["extend", "confirm", "cancel"],
                    _ => &[],
                };
                let Some(held) = day.count(api.post("/v1/reservations", body).await) else {
                    continue;
                };
                for step in steps {
                    let body =
                        if *step == "extend" { json!({"ttl_seconds": 60}) } else { json!({}) };
                    let done = api.step(&held.reservation_id(), step, body).await;
                    day.count(done.expect_status(200));
                }
            }
        }
    }
    day
}

async fn a_hundred_clients_on_twenty_items_never_deadlock_and_never_fail(world: Arc<World>) {
    let open_for = Duration::from_secs(Size::wanted().scaled(5, 12) as u64);
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    let skus: Vec<String> = (0..20).map(|number| format!("S{number}")).collect();
    stockbook.stock(&each(&skus, 60)).await;
    let mut superuser = stockbook.superuser().await;
    let mut deadlocks = async || -> i64 {
        let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
        sqlx::query_scalar(deadlocks).fetch_one(&mut superuser).await.unwrap()
    };
    let before = deadlocks().await;
    let (seed, _) = seeded();
    let (instances, until) = (stockbook.instances(), Instant::now() + open_for);
    let days = (0..CLIENTS).map(|nth| {
        let chance = StdRng::seed_from_u64(seed.wrapping_add(nth as u64));
        client(&instances[nth % 2], &skus, chance, until)
    });
    let days = join_all(days).await;
    let accepted: usize = days.iter().map(|day| day.accepted).sum();
    let refused: usize = days.iter().map(|day| day.refused).sum();
    println!("seed {seed}: {open_for:?}: {accepted} accepted, {refused} refused");
    assert!(accepted > 0);

    stockbook.verify().await;
    let token = stockbook.heads().await;
    stockbook.read_at("/v1/items", &token).await;
    let items = stockbook.query().rows("/v1/stock?location=MAIN&limit=200").await;
    assert_eq!(items.len(), skus.len(), "{items:?}");
    for item in &items {
        let (sku, version) = (item["sku"].as_str().unwrap(), &item["version"]);
        let path = format!("/v1/streams/stock/{sku}/MAIN/state?version={version}");
        let state = stockbook.command().json(&path).await;
        assert_eq!(Figures::of(item), Figures::of(&state["state"]), "seed {seed}: {item}");
        assert!(Figures::of(item).available >= 0, "seed {seed}: {item}");
    }
    for service in &mut stockbook.commands {
        stop(service).await;
    }
    assert_eq!(deadlocks().await, before, "seed {seed}: a deadlock");
    stockbook.verify().await;
}
