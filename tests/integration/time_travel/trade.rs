//! Random histories: everything that can happen to the stock of a sku, in any order, at any time.

use chrono::{TimeDelta, Utc};
use futures::{StreamExt, stream};
use integration_tests::{Api, Stockbook};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use shared_events::time::Timestamp;

pub(crate) const LOCATIONS: [&str; 3] = ["EAST", "MAIN", "WEST"];

/// Callers at once.
pub(crate) const CALLERS: usize = 16;

/// Registers the locations and the skus, and lets each live a while.
pub(crate) async fn live(stockbook: &Stockbook, skus: &[String], steps: usize, seed: u64) {
    let command = stockbook.command();
    for location in LOCATIONS {
        command.put(&format!("/v1/locations/{location}"), json!({})).await;
    }
    let lives = (0..).zip(skus).map(|(number, sku)| {
        let command = command.clone();
        let chance = StdRng::seed_from_u64(seed.wrapping_add(number));
        async move { live_one(&command, sku, steps, chance).await }
    });
    stream::iter(lives).for_each_concurrent(CALLERS, |life| life).await;
}

async fn live_one(command: &Api, sku: &str, steps: usize, mut chance: StdRng) {
    let item = json!({"name": format!("{sku} {}", chance.random_range(0..1_000_000))});
    command.put(&format!("/v1/items/{sku}"), item).await;
    let mut reservations: Vec<String> = Vec::new();
    for _ in 0..steps {
        let (path, body) = step(sku, &reservations, &mut chance);
        let method = if path.starts_with("/v1/items") { "PUT" } else { "POST" };
        let answer = command.send(method, &path, &body).await;
        // Many a step asks for too much, or comes too late: that is a part of the trade.
        assert!(matches!(answer.status, 200 | 201 | 409 | 422), "{path}: {}", answer.body);
        if path == "/v1/reservations" && answer.status == 201 {
            reservations.push(answer.reservation_id());
        }
    }
}

fn step(sku: &str, reservations: &[String], chance: &mut StdRng) -> (String, Value) {
    let location = LOCATIONS[chance.random_range(0..LOCATIONS.len())];
    let quantity: i64 = chance.random_range(1..20);
    let line = json!({"sku": sku, "location": location, "quantity": quantity});
    let item = format!("/v1/items/{sku}");
    let (path, mut body) = match chance.random_range(0..10) {
        0..3 => ("/v1/receipts", json!({"lines": [line]})),
        3 => ("/v1/issues", json!({"lines": [line]})),
        4 => {
            let line = json!({"sku": sku, "location": location, "delta": quantity - 10});
            (
                "/v1/adjustments",
                json!({"lines": [line], "reason": "count", "accept_shortage": true}),
            )
        }
        5 => {
            let to = if location == "MAIN" { "WEST" } else { "MAIN" };
            let line = json!({"sku": sku, "from": location, "to": to, "quantity": quantity});
            ("/v1/moves", json!({"lines": [line]}))
        }
        6 => {
            let body =
                json!({"owner": "o", "ttl_seconds": 3_600, "policy": "partial", "lines": [line]});
            return ("/v1/reservations".to_owned(), body);
        }
        7..9 if !reservations.is_empty() => {
            let id = &reservations[chance.random_range(0..reservations.len())];
            let what = ["confirm", "release", "extend", "fulfil", "cancel"];
            let what = what[chance.random_range(0..what.len())];
            let body = if what == "extend" { json!({"ttl_seconds": 60}) } else { json!({}) };
            return (format!("/v1/reservations/{id}/{what}"), body);
        }
        9 => {
            let name = format!("{sku} renamed {quantity}");
            (item.as_str(), json!({"name": name, "reorder_point": quantity}))
        }
        _ => ("/v1/receipts", json!({"lines": [line]})),
    };
    if chance.random_bool(0.5) {
        let ago = TimeDelta::minutes(chance.random_range(1..10_000));
        body["occurred_at"] = json!(Timestamp::new(Utc::now() - ago));
    }
    (path.to_owned(), body)
}
