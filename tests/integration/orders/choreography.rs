//! The same without an orchestrator: a payment service sees holds on the topic of events, and acts on them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use integration_tests::{Api, Node, Size, Stockbook, World, assert_has, eventually, seeded};
use rand::RngExt;
use rdkafka::message::Message;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::faults::Victim;
use super::{Payments, header, on_topic, order, place, until_status};

trials! {
    a_hold_is_confirmed_when_it_is_paid_and_released_when_it_is_refused,
    a_payment_that_comes_too_late_is_refused_by_an_event_and_refunded,
    holds_end_well_or_expire_whatever_is_killed,
}

/// How long the holds of the last trial last; a participant that is lost ends by that.
const TTL_SECONDS: u32 = 30;

/// A Stockbook that listens to others, with so much of A.
async fn start(world: &Arc<World>, on_hand: i64, node: Option<Node>) -> Stockbook {
    let mut stockbook = Stockbook::prepare_on(world, 4, node).await;
    let topic = stockbook.choreography();
    for _ in 0..2 {
        stockbook.add_command_service(&[("CHOREOGRAPHY_TOPIC", &*topic)]).await;
    }
    stockbook.add_query_service(&[]).await;
    stockbook.stock(&[("A", on_hand)]).await;
    stockbook
}

async fn hold(command: &Api, ttl_seconds: u32) -> String {
    let held = command.reserve("cart-1", ttl_seconds, &[("A", 1)]).await;
    held.json()["reservation"]["id"].as_str().expect("an id").to_owned()
}

/// Waits until a reservation has a status.
async fn until_reservation(command: &Api, id: &str, status: &str) {
    let stream = format!("reservation/{id}");
    let ask = async || command.state(&stream).await["status"].clone();
    eventually(&format!("the reservation is {status}"), ask, |seen| seen == status).await;
}

/// What was said about a hold, in order.
async fn said(stockbook: &Stockbook, id: &str) -> Vec<String> {
    let all = on_topic(stockbook, &stockbook.choreography()).await;
    let values = all
        .iter()
        .map(|record| serde_json::from_slice::<Value>(record.payload().unwrap()).expect("JSON"));
    let of_hold = values.filter(|value| value["reservation"] == id);
    of_hold.map(|value| value["outcome"].as_str().expect("a word").to_owned()).collect()
}

async fn a_hold_is_confirmed_when_it_is_paid_and_released_when_it_is_refused(world: Arc<World>) {
    let stockbook = start(&world, 100, None).await;
    let command = stockbook.command();
    let topic = stockbook.choreography();
    let _payments = stockbook.payment_service(&[
        ("CHOREOGRAPHY_TOPIC", &*topic),
        ("DECLINE_RATE", "0.5"),
        ("DUPLICATE_RATE", "1"),
    ]);
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..20 {
        let id = hold(&command, 300).await;
        let stream = format!("reservation/{id}");
        let ask = async || command.state(&stream).await["status"].clone();
        let end = eventually("the hold is settled", ask, |seen| seen != "held").await;
        *ends.entry(end.as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(command.stream(&stream).await.len(), 2, "settled once");
    }
    assert_eq!(ends.keys().collect::<Vec<_>>(), ["confirmed", "released"], "{ends:?}");
    // One that waits is paid for when it has all of its stock.
    command.put("/v1/items/B", json!({})).await.expect_status(201);
    let waits = json!({"owner": "cart-2", "policy": "wait", "wait_seconds": 300, "ttl_seconds": 300,
        "lines": [{"sku": "B", "location": "MAIN", "quantity": 2}]});
    let waits = command.post("/v1/reservations", waits).await.expect_status(201).json();
    let id = waits["reservation"]["id"].as_str().expect("an id").to_owned();
    for received in [1, 1] {
        assert_eq!(said(&stockbook, &id).await, [""; 0]);
        stockbook.receive(&[("B", received)]).await;
    }
    let stream = format!("reservation/{id}");
    let ask = async || command.state(&stream).await["status"].clone();
    let settled = |seen: &Value| seen != "waiting" && seen != "held";
    let end = eventually("what waited is settled", ask, settled).await;
    assert!(end == "confirmed" || end == "released", "{end}");
    // An order's hold is passed over: only its own payment counts.
    let placed = place(&command, order(1, 300, json!({"simulate": "decline"}))).await;
    let id = placed.json()["order"]["id"].as_str().unwrap().to_owned();
    until_status(&command, &id, "declined").await;
    assert_eq!(said(&stockbook, &id).await, [""; 0]);
    stockbook.verify().await;
}

async fn a_payment_that_comes_too_late_is_refused_by_an_event_and_refunded(world: Arc<World>) {
    let stockbook = start(&world, 10, None).await;
    let command = stockbook.command();
    let topic = stockbook.choreography();
    let id = hold(&command, 1).await;
    until_reservation(&command, &id, "expired").await;
    // It begins with the first event, and pays for what is over.
    let _payments = stockbook.payment_service(&[("CHOREOGRAPHY_TOPIC", &*topic)]);
    let ask = async || said(&stockbook, &id).await;
    eventually("the payment is given back", ask, |said| said.ends_with(&["refunded".to_owned()]))
        .await;
    let events = command.stream(&format!("reservation/{id}")).await;
    let refused = events.last().expect("events");
    assert_eq!(refused.event_type, "ReservationStepRefused");
    let data: Value = serde_json::from_str(refused.data.get()).unwrap();
    assert_has(&data, json!({"step": "confirm", "code": "reservation_expired"}));
    let figures = command.figures("A").await;
    assert_eq!((figures.reserved, figures.allocated), (0, 0));
    let token = stockbook.heads().await;
    let seen = stockbook.read_at(&format!("/v1/reservations/{id}"), &token).await.json();
    assert_eq!(seen["status"], "expired");

    // What nobody can read does not stop what comes after it.
    let payments = Payments { topic, ..Payments::of(&stockbook) };
    payments.send(Some("x-1"), br#"{"reservation":"17","outcome":"paid"}"#).await;
    let next = hold(&command, 300).await;
    until_reservation(&command, &next, "confirmed").await;
    let rejected = format!("{}.rejected", stockbook.choreography());
    let rejected = async || on_topic(&stockbook, &rejected).await;
    let rejected = eventually("one is set aside", rejected, |all| !all.is_empty()).await;
    let reason = rejected.first().and_then(|record| header(record, "rejected_because"));
    assert!(reason.is_some_and(|reason| reason.contains("does not fit")));
    stockbook.verify().await;
    let checked = stockbook.query().json("/v1/integrity").await;
    assert_eq!(checked["ok"], true, "{checked}");
}

async fn holds_end_well_or_expire_whatever_is_killed(world: Arc<World>) {
    let count = Size::wanted().scaled(250, 20);
    let (seed, mut chance) = seeded();
    println!("{count} holds, seed {seed}");
    let node = Node::start(&world, "choreography").await;
    let mut stockbook = start(&world, i64::try_from(count).unwrap(), Some(node)).await;
    let topic = stockbook.choreography();
    let settings = [
        ("CHOREOGRAPHY_TOPIC", &*topic),
        ("DECLINE_RATE", "0.3"),
        ("DUPLICATE_RATE", "0.3"),
        ("SILENCE_RATE", "0.1"),
        ("DELAY_MS", "50"),
    ];
    let mut payments = stockbook.payment_service(&settings);
    let victims = Victim::all(&mut chance);
    for nth in 0..count {
        hold(&stockbook.command(), TTL_SECONDS).await;
        // One in the middle of each of so many parts.
        let part = count / victims.len();
        if nth % part == part / 2
            && let Some(victim) = victims.get(nth / part)
        {
            sleep(Duration::from_millis(chance.random_range(0..1_000))).await;
            victim.crash(&mut stockbook, &mut payments).await;
        }
    }
    let command = stockbook.command();
    let reserved = async || command.figures("A").await.reserved;
    eventually("nothing is held any more", reserved, |reserved| *reserved == 0).await;
    // What was paid was confirmed, or is given back.
    let unsettled = async || {
        let said = said_of_all(&stockbook).await;
        let ends = ends(&stockbook).await;
        let is_open = |(id, outcomes): &(&String, &Vec<String>)| {
            let paid = outcomes.iter().any(|outcome| outcome == "paid");
            let refunded = outcomes.iter().any(|outcome| outcome == "refunded");
            paid && (ends[*id] != "confirmed") != refunded
        };
        said.iter().filter(is_open).map(|(id, _)| id.clone()).collect::<Vec<String>>()
    };
    eventually("every payment is for something", unsettled, Vec::is_empty).await;
    let ends = ends(&stockbook).await;
    let mut counted: BTreeMap<&str, i64> = BTreeMap::new();
    for end in ends.values() {
        *counted.entry(end).or_default() += 1;
    }
    println!("{counted:?}");
    assert_eq!(command.figures("A").await.allocated, counted["confirmed"]);
    stockbook.verify().await;
}

async fn said_of_all(stockbook: &Stockbook) -> BTreeMap<String, Vec<String>> {
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in on_topic(stockbook, &stockbook.choreography()).await {
        let value: Value = serde_json::from_slice(record.payload().unwrap()).expect("JSON");
        let word = |member: &str| value[member].as_str().expect("text").to_owned();
        said.entry(word("reservation")).or_default().push(word("outcome"));
    }
    said
}

/// The status of every reservation.
async fn ends(stockbook: &Stockbook) -> BTreeMap<String, String> {
    let log = stockbook.log().await;
    let steps = log.iter().filter(|event| event.stream.to_string().starts_with("reservation/"));
    let last = steps.map(|event| {
        let data: Value = serde_json::from_str(event.data.get()).expect("JSON");
        let word = |member: &str| data["after"][member].as_str().expect("text").to_owned();
        (word("id"), word("status"))
    });
    last.collect()
}
