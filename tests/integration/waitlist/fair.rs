//! A thousand callers wait for a hundred places that come free at random, at two instances that are killed:
//! each place goes to the next in the queue, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use integration_tests::{
    Api, Size, Stockbook, World, eventually, lines_at_main, seeded, start_again,
};
use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use shared_events::recorded::RecordedEvent;

use super::waiting;

trials! {
    places_that_come_free_at_random_go_to_the_next_in_the_queue,
    kill_9_while_places_come_free_changes_no_order,
}

/// A line that waits, as a reader of the log alone sees it.
#[derive(Debug)]
struct Waiter {
    quantity: i64,
    whole: bool,
}

/// Walks over the stock's events and recomputes who had to be next; returns the reservations in the order
/// in which they were filled.
fn served(history: &[RecordedEvent]) -> Vec<String> {
    let mut queue: BTreeMap<(i64, i64), (String, Waiter)> = BTreeMap::new();
    let (mut available, mut order) = (0, Vec::new());
    for event in history {
        let data: Value = serde_json::from_str(event.data.get()).unwrap();
        let amount = |name: &str| data[name].as_i64().unwrap_or_default();
        let who = data["reservation"].as_str().unwrap_or_default().to_owned();
        let place = queue.iter().find(|(_, (of, _))| *of == who).map(|(place, _)| *place);
        match event.event_type.as_str() {
            "StockWaitlisted" => {
                let key = (9 - amount("priority"), event.position.0);
                let whole = data["fill"] == "whole";
                queue.insert(key, (who, Waiter { quantity: amount("quantity"), whole }));
            }
            "StockWaitlistFilled" => {
                let fits = |waiter: &Waiter| !waiter.whole || waiter.quantity <= available;
                let next = queue.iter().find(|(_, (_, waiter))| fits(waiter)).map(|(key, _)| *key);
                assert_eq!(place, next, "{who} was filled at {}, and was not next", event.id());
                assert!(amount("quantity") <= available, "more than there was at {}", event.id());
                order.push(who);
                reduce(&mut queue, place.unwrap(), amount("quantity"));
            }
            "StockWaitlistLeft" => reduce(&mut queue, place.unwrap(), amount("quantity")),
            _ => {}
        }
        let after = &data["after"];
        let figure = |name: &str| after[name].as_i64().unwrap_or_default();
        available = figure("on_hand") - figure("reserved") - figure("allocated");
        assert!(available >= 0, "{data}");
        let waiting: i64 = queue.values().map(|(_, waiter)| waiter.quantity).sum();
        assert_eq!(waiting, figure("waiting"), "{data}");
    }
    order
}

fn reduce(queue: &mut BTreeMap<(i64, i64), (String, Waiter)>, place: (i64, i64), quantity: i64) {
    let (_, waiter) = queue.get_mut(&place).unwrap();
    waiter.quantity -= quantity;
    if waiter.quantity == 0 {
        queue.remove(&place);
    }
}

/// Sends until there is an answer: a killed instance gives none, and the key keeps a repetition harmless.
async fn sure(instances: &[Api], chance: usize, path: &str, key: &str, body: &Value) -> u16 {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    let bytes = body.to_string().into_bytes();
    for attempt in 0..2_000 {
        let api = &instances[(chance + attempt) % instances.len()];
        let sent = api.try_send(reqwest::Method::POST, path, &headers, Some(bytes.clone())).await;
        match sent {
            Ok(answer) if !matches!(answer.status, 503 | 409) => return answer.status,
            Ok(answer) if answer.status == 409 && !answer.body.contains("in_progress") => {
                return 409;
            }
            Ok(_) | Err(_) => tokio::task::yield_now().await,
        }
    }
    panic!("{path} with {key} got no answer");
}

/// The places, all taken by holds; returns their ids.
async fn take_places(command: &Api, places: usize) -> Vec<String> {
    command.done("/v1/receipts", lines_at_main(&[("A", places as i64)])).await;
    let mut taken = Vec::new();
    for _ in 0..places {
        taken.push(command.reserve("before", 3_600, &[("A", 1)]).await.reservation_id());
    }
    taken
}

/// Frees a place: it is cancelled, or expires, or another is received for it.
async fn free(instances: &[Api], nth: usize, id: &str) {
    let step = async |name: &str, body: Value| {
        let (path, key) = (format!("/v1/reservations/{id}/{name}"), format!("{name} {id}"));
        let status = sure(instances, nth, &path, &key, &body).await;
        assert_eq!(status, 200, "{key}");
    };
    match nth % 3 {
        0 => {
            step("confirm", json!({})).await;
            step("cancel", json!({})).await;
        }
        1 => step("extend", json!({"ttl_seconds": 1})).await,
        _ => {
            let (key, one) = (format!("more {id}"), lines_at_main(&[("A", 1)]));
            assert_eq!(sure(instances, nth, "/v1/receipts", &key, &one).await, 200, "{key}");
        }
    }
}

async fn play(world: Arc<World>, kills: usize) {
    let callers = Size::wanted().scaled(200, 5);
    let places = callers / 10;
    let (seed, mut chance) = seeded();
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A"]).await;
    let taken = take_places(&stockbook.command(), places).await;
    let instances = stockbook.instances();
    let waits = (0..callers).map(|nth| {
        let mut body = waiting(&format!("w{nth}"), 3_600, &[("A", 1)]);
        body["priority"] = json!(chance.random_range(4..=6));
        body["ttl_seconds"] = json!(3_600);
        let instances = instances.clone();
        let key = format!("wait {nth}");
        async move { sure(&instances, nth, "/v1/reservations", &key, &body).await }
    });
    let waits: Vec<_> = waits.collect();
    let statuses: Vec<u16> = stream::iter(waits).buffer_unordered(64).collect().await;
    assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");

    let mut order: Vec<(usize, String)> = taken.into_iter().enumerate().collect();
    order.shuffle(&mut chance);
    for (turn, some) in order.chunks(places.div_ceil(kills + 1)).enumerate() {
        let before = stockbook.recorded().await;
        let (instances, some) = (instances.clone(), some.to_vec());
        let freeing = tokio::spawn(async move {
            for (nth, id) in some {
                free(&instances, nth, &id).await;
            }
        });
        if turn < kills {
            stockbook.grown_to(before + 1).await;
            let service = &mut stockbook.commands[turn % 2];
            service.kill().await.expect("the service can be killed");
            start_again(service).await;
        }
        freeing.await.expect("all places are freed");
    }
    let filled = async || stockbook.count("ReservationFilled").await;
    eventually("every place is taken again", filled, |filled| *filled == places as i64).await;

    let command = stockbook.command();
    let history = command.stream("stock/A/MAIN").await;
    let order = served(&history);
    let once: BTreeSet<&String> = order.iter().collect();
    assert_eq!((order.len(), once.len()), (places, places), "each place once, nobody twice");
    let state = command.state("stock/A/MAIN").await;
    assert_eq!((&state["available"], &state["waiting"]), (&json!(0), &json!(callers - places)));
    println!(
        "seed {seed}: {callers} callers, {places} places, {kills} kills: {} events",
        history.len()
    );
    stockbook.verify().await;
    assert_eq!(stockbook.difference().await, None);
}

async fn places_that_come_free_at_random_go_to_the_next_in_the_queue(world: Arc<World>) {
    play(world, 0).await;
}

async fn kill_9_while_places_come_free_changes_no_order(world: Arc<World>) {
    play(world, 3).await;
}
