//! Orders that wait for stock.

use std::sync::Arc;

use integration_tests::{Stockbook, World, assert_has, eventually, moment};
use serde_json::{Value, json};

use super::{id, order, place, promised, requests, steps, until_status};

trials! {
    an_order_waits_in_the_queue_and_goes_on_to_be_paid_when_it_has_all_it_asks_for,
    an_order_that_waits_is_undone_when_waiting_or_its_time_is_over_or_it_is_cancelled,
}

/// An order of so much of A that waits.
fn waiting(quantity: i64, wait_seconds: u32, deadline_seconds: u32) -> Value {
    let mut body = order(quantity, deadline_seconds, json!({}));
    body["policy"] = json!("wait");
    body["wait_seconds"] = json!(wait_seconds);
    body
}

async fn an_order_waits_in_the_queue_and_goes_on_to_be_paid_when_it_has_all_it_asks_for(
    world: Arc<World>,
) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 2)]).await;
    let _payments = stockbook.payment_service(&[]);
    let first = id(&place(&command, waiting(5, 300, 600)).await);
    until_status(&command, &first, "waiting").await;
    let second = id(&place(&command, waiting(1, 300, 600)).await);
    until_status(&command, &second, "waiting").await;
    assert_eq!(promised(&command).await, (2, 0));
    let token = stockbook.heads().await;
    let seen = stockbook.read_at("/v1/orders?status=waiting", &token).await.json();
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(2));
    let seen = stockbook.read_at(&format!("/v1/orders/{first}"), &token).await.json();
    assert_has(&seen, json!({"status": "waiting", "reservation": first}));
    assert_eq!(steps(&seen), json!({"reserve": "pending"}));
    let queue = stockbook.read_at("/v1/waitlist", &token).await.json();
    let entry = |nth: usize, reservation: &str, waiting: i64| {
        assert_has(&queue["items"][nth], json!({"reservation": reservation, "waiting": waiting}));
    };
    entry(0, &first, 3);
    entry(1, &second, 1);

    // A part of it is not enough; the rest goes to the next.
    stockbook.receive(&[("A", 2)]).await;
    let filled = async || stockbook.count("ReservationFilled").await;
    eventually("the reservation follows", filled, |filled| *filled == 1).await;
    assert_eq!(command.state(&format!("order/{first}")).await["status"], "waiting");
    stockbook.receive(&[("A", 2)]).await;
    for order in [&first, &second] {
        until_status(&command, order, "confirmed").await;
    }
    assert_eq!(promised(&command).await, (0, 6));
    let asked = requests(&stockbook, &first, &["authorise"]).await;
    assert_has(&asked[0]["lines"][0], json!({"requested": 5, "quantity": 5}));
    let log = stockbook.log().await;
    let held = |order: &str| {
        let stream = format!("reservation/{order}");
        let mut last = log.iter().rev().filter(|event| event.stream.to_string() == stream);
        let filled = last.find(|event| event.event_type == "ReservationFilled").unwrap();
        let data: Value = serde_json::from_str(filled.data.get()).unwrap();
        moment(&data["after"]["expires_at"]).unix_micros()
    };
    let deadline = moment(&seen["deadline"]).unix_micros();
    assert!(held(&first) >= deadline + 60_000_000, "the hold lasts longer than the order");
    stockbook.verify().await;
    let checked = stockbook.query().json("/v1/integrity").await;
    assert_eq!(checked["ok"], true, "{checked}");
}

async fn an_order_that_waits_is_undone_when_waiting_or_its_time_is_over_or_it_is_cancelled(
    world: Arc<World>,
) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 2)]).await;
    let undone = json!({"reserve": "refused", "release": "done"});
    let ended = id(&place(&command, waiting(3, 1, 300)).await);
    let failed = until_status(&command, &ended, "failed").await;
    assert_eq!(steps(&failed), undone);
    let problem = json!({"type": "/problems/reservation_expired"});
    assert_has(&failed["steps"][0]["detail"], problem);

    let late = id(&place(&command, waiting(3, 300, 1)).await);
    let late = until_status(&command, &late, "timed_out").await;
    assert_eq!(steps(&late), undone);

    let unwanted = id(&place(&command, waiting(3, 300, 300)).await);
    until_status(&command, &unwanted, "waiting").await;
    let cancelled = command.done(&format!("/v1/orders/{unwanted}/cancel"), json!({})).await;
    let types = ["ReservationReleased", "StockWaitlistLeft", "StockReleased", "OrderCancelled"];
    assert_eq!(cancelled.types(), types);
    assert_has(&cancelled.json()["order"], json!({"status": "cancelled"}));
    assert_has(&cancelled.json()["figures"][0], json!({"available": 2, "waiting": 0}));
    assert_eq!(stockbook.count("PaymentRequested").await, 0, "nobody was asked to pay");

    for (body, pointer) in [
        (json!({"policy": "wait"}), "/wait_seconds"),
        (json!({"wait_seconds": 5}), "/wait_seconds"),
        (json!({"policy": "wait", "wait_seconds": 0}), "/wait_seconds"),
    ] {
        let mut order = order(1, 300, json!({}));
        let members = order.as_object_mut().unwrap();
        members.extend(body.as_object().unwrap().clone());
        let refused = command.refused("/v1/orders", order, 422, "validation_failed").await;
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}");
    }
    stockbook.verify().await;
}
