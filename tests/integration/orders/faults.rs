//! Many orders while everything fails: each ends well or is undone, whatever is killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::iter;
use integration_tests::{Api, DEADLINE, Node, Size, Stockbook, World, seeded, start_again};
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use shared_events::recorded::RecordedEvent;
use stack::services::Service;
use tokio::time::{Instant, sleep};

use super::order;

trials! {
    every_order_ends_well_or_is_undone_whatever_is_killed,
}

/// How long an order may take to be paid; those that are not are undone. Longer than Kafka takes to give the
/// partitions of a few killed consumers to others.
const DEADLINE_SECONDS: u32 = 45;

/// How long some of them wait for stock.
const WAIT_SECONDS: u32 = 20;

/// What is killed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Victim {
    Payments,
    Command(usize),
    Kafka,
}

impl Victim {
    /// Each of them twice, in a random order.
    pub(crate) fn all(chance: &mut StdRng) -> Vec<Self> {
        let each = [Self::Payments, Self::Command(0), Self::Command(1), Self::Kafka];
        let mut all = each.repeat(2);
        all.shuffle(chance);
        all
    }

    /// Kills it and starts it again.
    pub(crate) async fn crash(self, stockbook: &mut Stockbook, payments: &mut Service) {
        match self {
            Self::Payments => {
                payments.kill().await.expect("it can be killed");
                payments.start_again().await.expect("it starts again");
            }
            Self::Command(nth) => {
                let service = &mut stockbook.commands[nth];
                service.kill().await.expect("it can be killed");
                start_again(service).await;
            }
            Self::Kafka => stockbook.node.as_mut().expect("a separate node").crash().await,
        }
    }
}

async fn every_order_ends_well_or_is_undone_whatever_is_killed(world: Arc<World>) {
    let count = Size::wanted().scaled(250, 20);
    let (seed, mut chance) = seeded();
    println!("{count} orders, seed {seed}");
    let node = Node::start(&world, "orders").await;
    let mut stockbook = Stockbook::prepare_on(&world, 4, Some(node)).await;
    for _ in 0..2 {
        stockbook.add_command_service(&[]).await;
    }
    // Less than those can pay for who want it.
    stockbook.stock(&[("A", i64::try_from(count).unwrap() * 6 / 10)]).await;
    let settings = [
        ("DECLINE_RATE", "0.3"),
        ("DUPLICATE_RATE", "0.3"),
        ("SILENCE_RATE", "0.2"),
        ("DELAY_MS", "50"),
    ];
    let mut payments = stockbook.payment_service(&settings);
    let placing = tokio::spawn(place_all(stockbook.instances(), count));
    for victim in Victim::all(&mut chance) {
        sleep(Duration::from_millis(chance.random_range(300..1_500))).await;
        victim.crash(&mut stockbook, &mut payments).await;
    }
    let placed = placing.await.expect("the orders are placed");
    let events = settled(&stockbook).await;
    let ends = check(&events);
    println!("{ends:?}");
    assert!(ends.len() > 2, "hardly anything happened: {ends:?}");
    assert_eq!(ends.values().sum::<usize>(), placed, "an answered order is lost");
    let figures = stockbook.command().figures("A").await;
    let confirmed = ends.get("confirmed").copied().unwrap_or_default();
    assert_eq!((figures.reserved, figures.allocated), (0, i64::try_from(confirmed).unwrap()));
    let waited = events.iter().filter(|event| event.event_type == "OrderWaitlisted").count();
    assert!(waited > 0, "nobody had to wait");
    super::super::relay::assert_topic_equals_log(&stockbook).await;
    stockbook.verify().await;
}

/// Places so many orders, each under a key until it is answered; returns how many there are.
async fn place_all(instances: Vec<Api>, count: usize) -> usize {
    let place = |nth: usize| {
        let api = instances[nth % instances.len()].clone();
        async move {
            let mut body = order(1, DEADLINE_SECONDS, json!({"nth": nth}));
            if nth.is_multiple_of(3) {
                body["policy"] = json!("wait");
                body["wait_seconds"] = json!(WAIT_SECONDS);
            }
            let body = body.to_string();
            let key = format!("order-{nth}");
            let deadline = Instant::now() + DEADLINE;
            loop {
                let headers = [("content-type", "application/json"), ("idempotency-key", &*key)];
                let body = Some(body.clone().into_bytes());
                let sent = api.try_send(reqwest::Method::POST, "/v1/orders", &headers, body).await;
                if sent.is_ok_and(|answer| answer.status == 202) {
                    return;
                }
                assert!(Instant::now() < deadline, "order {nth} is not accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    iter((0..count).map(place)).buffer_unordered(8).collect::<Vec<()>>().await.len()
}

/// The log, once no order goes on by itself any more.
async fn settled(stockbook: &Stockbook) -> Vec<RecordedEvent> {
    let deadline = Instant::now() + DEADLINE + Duration::from_secs(u64::from(DEADLINE_SECONDS));
    let mut database = stockbook.superuser().await;
    loop {
        let open = "select stream from deadlines where what = 'continue_order'";
        let open: Vec<String> =
            sqlx::query_scalar(open).fetch_all(&mut database).await.expect("the deadlines");
        if open.is_empty() {
            return stockbook.log().await;
        }
        assert!(Instant::now() < deadline, "{} orders are unfinished: {open:?}", open.len());
        sleep(Duration::from_millis(500)).await;
    }
}

/// Each order after its last event.
fn last_of_orders(log: &[RecordedEvent]) -> BTreeMap<String, Value> {
    let of_orders = log.iter().filter(|event| event.stream.to_string().starts_with("order/"));
    let last = of_orders.map(|event| {
        let data: Value = serde_json::from_str(event.data.get()).expect("JSON");
        (event.stream.to_string(), data["after"].clone())
    });
    last.collect()
}

/// Walks the events of every order; returns how many ended how.
fn check(log: &[RecordedEvent]) -> BTreeMap<String, usize> {
    let mut types: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for event in log {
        types.entry(event.stream.to_string()).or_default().push(&event.event_type);
    }
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for (stream, order) in last_of_orders(log) {
        let seen = &types[&stream];
        let times = |event_type: &str| seen.iter().filter(|seen| **seen == event_type).count();
        let status = order["status"].as_str().expect("a status");
        for once in [
            "OrderPlaced",
            "OrderWaitlisted",
            "OrderReserved",
            "PaymentAuthorised",
            "PaymentDeclined",
            "PaymentVoided",
        ] {
            assert!(times(once) <= 1, "{stream}: {seen:?}");
        }
        let ends_of_it = ["OrderConfirmed", "OrderDeclined", "OrderTimedOut", "OrderFailed"];
        assert_eq!(ends_of_it.iter().map(|end| times(end)).sum::<usize>(), 1, "{stream}: {seen:?}");
        let step = |name: &str| {
            let steps = order["steps"].as_array().expect("steps");
            steps.iter().find(|step| step["name"] == name).map(|step| step["status"].clone())
        };
        match status {
            "confirmed" => assert_eq!(times("PaymentAuthorised"), 1, "{stream}: {seen:?}"),
            "declined" => assert_eq!(step("void"), None, "{stream}: {seen:?}"),
            // Voided, or it came out that there was nothing to void.
            "timed_out" if times("OrderReserved") == 1 => {
                assert_eq!(step("void"), Some(Value::from("done")), "{stream}: {seen:?}");
            }
            "timed_out" | "failed" => assert_eq!(step("void"), None, "{stream}: {seen:?}"),
            other => panic!("{stream} is {other}: {seen:?}"),
        }
        let reservation = stream.replace("order/", "reservation/");
        let begun = |one: &&&str| matches!(**one, "ReservationHeld" | "ReservationWaitlisted");
        let held = types.get(&reservation).map_or(0, |all| all.iter().filter(begun).count());
        let expected = times("OrderReserved").max(times("OrderWaitlisted"));
        assert_eq!(held, expected, "{stream} took stock {held} times");
        *ends.entry(status.to_owned()).or_default() += 1;
    }
    ends
}
