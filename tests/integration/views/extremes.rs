//! The largest amounts that commands accept: no view stops at them, and every figure stays exact.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use integration_tests::{Stockbook, World, eventually, seeded};
use rand::RngExt;
use rand::prelude::IndexedRandom;
use serde::Deserialize;
use serde_json::{Value, json};
use shared_events::lane::PositionToken;
use shared_events::values::AMOUNT_MAX;

trials! {
    the_largest_amounts_that_commands_accept_stop_no_view,
}

/// So many of the largest amounts are more than 64 bits hold.
const BEYOND: usize = 1_025;

/// Commands of one batch, and lines of one command.
const BATCH_MAX: usize = 1_000;

/// Sums over all locations, exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
struct Totals {
    on_hand: i128,
    reserved: i128,
    allocated: i128,
    available: i128,
}

/// What came in and went out of an item on one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct Day {
    day: NaiveDate,
    r#in: i128,
    out: i128,
    returned: i128,
    adjusted: i128,
}

#[derive(Debug, Deserialize)]
struct Flow {
    closing: i128,
    days: Vec<Day>,
}

/// What the log says of an item.
#[derive(Debug, Default)]
struct Expected {
    pairs: BTreeMap<String, Totals>,
    days: BTreeMap<NaiveDate, Day>,
}

async fn the_largest_amounts_that_commands_accept_stop_no_view(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    stockbook.register(&["DAY", "WIDE", "A", "B"]).await;
    let places: Vec<String> = (0..BEYOND).map(|nth| format!("L{nth}")).collect();
    let place = |code: &String| json!({"type": "register_location", "code": code});
    send(&stockbook, places.iter().map(place)).await;

    // One item comes and goes, and had come before it went; another lies at many locations.
    let yesterday = Utc::now() - Days::new(1);
    let round_trip = [
        change("receive_stock", "DAY", "L0", AMOUNT_MAX, yesterday),
        change("issue_stock", "DAY", "L0", AMOUNT_MAX, Utc::now()),
    ];
    send(&stockbook, (0..BEYOND).flat_map(|_| round_trip.clone())).await;
    let receipt = |code: &String| change("receive_stock", "WIDE", code, AMOUNT_MAX, yesterday);
    send(&stockbook, places.iter().map(receipt)).await;
    // And anything else that comes to mind.
    let (seed, mut random) = seeded();
    println!("seed {seed}");
    let commands: Vec<Value> = (0..4 * BATCH_MAX).map(|_| any_command(&mut random)).collect();
    send(&stockbook, commands.into_iter()).await;

    // Once every hold has ended, nothing happens by itself any more.
    let held = |items: &BTreeMap<String, Expected>| -> i128 {
        items.values().flat_map(|item| item.pairs.values()).map(|pair| pair.reserved).sum()
    };
    let asked = async || expected(&stockbook).await;
    let expected = eventually("every hold has ended", asked, |items| held(items) == 0).await;
    let token = stockbook.heads().await;
    assert_no_lane_is_stopped(&stockbook, &token).await;
    for (sku, expected) in &expected {
        assert_shown(&stockbook, &token, sku, expected).await;
    }
    let beyond = i128::try_from(BEYOND).unwrap() * i128::from(AMOUNT_MAX);
    assert!(beyond > i128::from(i64::MAX));
    assert_eq!(expected["WIDE"].days.values().map(|day| day.r#in).sum::<i128>(), beyond);

    let then = format!("/v1/stock/DAY/L0?as_of={}", yesterday.format("%Y-%m-%dT%H:%M:%SZ"));
    assert_eq!(totals(&stockbook.read_at(&then, &token).await.body).on_hand, beyond);
    let why = stockbook.read_at("/v1/explain/DAY/L0", &token).await.body;
    assert!(why.contains(&format!("\"on_hand\":{beyond}")), "{why}");
    let whole = stockbook.query().get("/v1/integrity").await.expect_status(200).json();
    assert_eq!((&whole["ok"], &whole["first_difference"]), (&json!(true), &Value::Null));
}

/// A command about one pair.
fn change(kind: &str, sku: &str, location: &str, quantity: i64, when: DateTime<Utc>) -> Value {
    let line = json!({"sku": sku, "location": location, "quantity": quantity});
    json!({"type": kind, "lines": [line], "occurred_at": when.format("%Y-%m-%dT%H:%M:%SZ").to_string()})
}

/// Any command on a few pairs, mostly with amounts at the edge.
fn any_command(random: &mut impl RngExt) -> Value {
    let edge = [1, AMOUNT_MAX / 2, AMOUNT_MAX - 1, AMOUNT_MAX];
    let quantity = *edge.choose(random).unwrap();
    let sku = *["A", "B"].choose(random).unwrap();
    let ways = [("L0", "L1"), ("L1", "L2"), ("L2", "L0"), ("L1", "L0")];
    let (from, to) = *ways.choose(random).unwrap();
    let when = Utc::now() - Days::new(random.random_range(0..3));
    match random.random_range(0..7) {
        0 | 1 => change("receive_stock", sku, from, quantity, when),
        2 | 3 => change("issue_stock", sku, from, quantity, when),
        4 => json!({
            "type": "set_stock", "sku": sku, "location": from, "quantity": quantity,
            "expected_quantity": null, "reason": "count", "accept_shortage": true,
        }),
        5 => json!({
            "type": "reserve_stock", "owner": "somebody", "ttl_seconds": 1, "policy": "partial",
            "lines": [{"sku": sku, "location": from, "quantity": quantity}],
        }),
        _ => json!({
            "type": "move_stock",
            "lines": [{"sku": sku, "from": from, "to": to, "quantity": quantity}],
        }),
    }
}

/// Sends commands in batches; some of them may be refused.
async fn send(stockbook: &Stockbook, commands: impl Iterator<Item = Value>) {
    let commands: Vec<Value> = commands.collect();
    for batch in commands.chunks(BATCH_MAX) {
        let body = json!({"mode": "independent", "commands": batch});
        stockbook.command().post("/v1/batches", body).await.expect_status(200);
    }
}

async fn assert_no_lane_is_stopped(stockbook: &Stockbook, token: &PositionToken) {
    let list = stockbook.read_at("/v1/projections", token).await.json();
    for lane in list["items"].as_array().unwrap() {
        assert_eq!(lane["error"], Value::Null, "{lane}");
    }
}

/// The items as the events say.
async fn expected(stockbook: &Stockbook) -> BTreeMap<String, Expected> {
    let mut items: BTreeMap<String, Expected> = BTreeMap::new();
    for recorded in stockbook.log().await {
        let data: Value = serde_json::from_str(recorded.data.get()).unwrap();
        let number = |name: &str| i128::from(data[name].as_i64().unwrap_or_default());
        if !recorded.event_type.starts_with("Stock") {
            continue;
        }
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        let item = items.entry(text("sku")).or_default();
        let after = |name: &str| i128::from(data["after"][name].as_i64().unwrap());
        let (on_hand, reserved, allocated) =
            (after("on_hand"), after("reserved"), after("allocated"));
        let available = on_hand - reserved - allocated;
        item.pairs.insert(text("location"), Totals { on_hand, reserved, allocated, available });
        let day = recorded.occurred_at.to_utc().date_naive();
        let none = Day { day, r#in: 0, out: 0, returned: 0, adjusted: 0 };
        let day = item.days.entry(day).or_insert(none);
        match recorded.event_type.as_str() {
            "StockReceived" => day.r#in += number("quantity"),
            "StockIssued" => day.out += number("quantity"),
            "StockSet" => day.adjusted += number("delta"),
            _ => {}
        }
    }
    items
}

/// Fails unless totals, availability and flow show what the log says.
async fn assert_shown(
    stockbook: &Stockbook,
    token: &PositionToken,
    sku: &str,
    expected: &Expected,
) {
    let sum = |of: fn(&Totals) -> i128| expected.pairs.values().map(of).sum::<i128>();
    let all = Totals {
        on_hand: sum(|one| one.on_hand),
        reserved: sum(|one| one.reserved),
        allocated: sum(|one| one.allocated),
        available: sum(|one| one.available),
    };
    let stock = stockbook.read_at(&format!("/v1/stock/{sku}"), token).await.body;
    assert_eq!(totals(&stock), all, "{sku}");
    let past = format!("/v1/stock/{sku}?as_of={}", "2100-01-01T00:00:00Z");
    assert_eq!(totals(&stockbook.read_at(&past, token).await.body), all, "{sku}");
    let asked = json!({"pairs": [{"sku": sku}]});
    let available = stockbook.query().post("/v1/availability", asked).await.expect_status(200);
    assert!(available.body.contains(&format!("\"available\":{}", all.available)));

    let (first, last) = (expected.days.keys().next(), expected.days.keys().next_back());
    let (first, last) = (first.unwrap(), *last.unwrap() + Days::new(1));
    let path = format!("/v1/flow/{sku}?from={first}&to={last}");
    let flow: Flow =
        serde_json::from_str(&stockbook.read_at(&path, token).await.body).expect("a flow");
    assert_eq!(flow.closing, all.on_hand, "{sku}");
    for day in &flow.days {
        let none = Day { day: day.day, r#in: 0, out: 0, returned: 0, adjusted: 0 };
        assert_eq!(day, expected.days.get(&day.day).unwrap_or(&none), "{sku}");
    }
}

fn totals(body: &str) -> Totals {
    serde_json::from_str(body).expect("figures")
}
