//! Those who wait for stock: whatever frees it goes to the next, in the same transaction.

pub(crate) mod fair;

use std::sync::Arc;
use std::time::Duration;

use integration_tests::{
    Answer, Api, Figures, Stockbook, World, assert_has, eventually, line_at, lines_at_main, moment,
    pointers, reservation,
};
use serde_json::{Value, json};

trials! {
    a_course_with_two_places_gives_a_cancelled_one_to_the_next,
    who_waits_is_seen_everywhere_with_a_place_in_the_queue,
    a_reservation_over_two_lanes_is_held_from_its_last_fill_on,
    waiting_ends_by_itself_and_what_was_filled_goes_to_the_next,
    a_release_and_another_priority_change_the_queue,
    a_long_queue_is_filled_by_the_sweeper_after_the_first_thousand,
    a_batch_and_a_key_wait_once_and_a_dry_run_never,
    what_a_request_says_about_waiting_is_checked,
}

/// A reservation that waits for at most so long.
fn waiting(owner: &str, wait_seconds: u32, lines: &[(&str, i64)]) -> Value {
    let mut body = reservation(owner, 600, lines);
    body["policy"] = json!("wait");
    body["wait_seconds"] = json!(wait_seconds);
    body
}

async fn wait_for(command: &Api, owner: &str, lines: &[(&str, i64)]) -> Answer {
    command.post("/v1/reservations", waiting(owner, 3_600, lines)).await.expect_status(201)
}

/// The view's answer about a reservation once its status is this one.
async fn with_status(stockbook: &Stockbook, id: &str, status: &str) -> Value {
    let path = format!("/v1/reservations/{id}");
    let token = stockbook.heads().await;
    let ask = async || stockbook.read_at(&path, &token).await.json();
    eventually("the reservation has its status", ask, |seen| seen["status"] == status).await
}

/// The owners and places of who waits for A, in the order of the queue.
async fn queue(stockbook: &Stockbook) -> Vec<(String, i64)> {
    let token = stockbook.heads().await;
    let seen = stockbook.read_at("/v1/waitlist?sku=A&location=MAIN", &token).await.json();
    let items = seen["items"].as_array().unwrap();
    let item =
        |one: &Value| (one["owner"].as_str().unwrap().to_owned(), one["place"].as_i64().unwrap());
    items.iter().map(item).collect()
}

async fn a_course_with_two_places_gives_a_cancelled_one_to_the_next(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 2)]).await;
    let first = wait_for(&command, "ann", &[("A", 1)]).await;
    let second = wait_for(&command, "ben", &[("A", 1)]).await;
    for made in [&first, &second] {
        assert_eq!(made.types(), ["ReservationHeld", "StockReserved"], "there was a place");
        assert_eq!(made.json()["reservation"]["wait_until"], Value::Null);
    }
    let third = wait_for(&command, "cem", &[("A", 1)]).await;
    assert_eq!(third.types(), ["ReservationWaitlisted", "StockWaitlisted"]);
    let id = third.reservation_id();
    let expected = json!({
        "status": "waiting", "expires_at": null, "priority": 5,
        "lines": [{"requested": 1, "quantity": 0, "waiting": 1}],
    });
    assert_has(&third.json()["reservation"], expected.clone());
    assert_has(&third.json()["figures"][0], json!({"reserved": 2, "available": 0, "waiting": 1}));
    let seen = stockbook.read_at(&format!("/v1/reservations/{id}"), &third.position()).await.json();
    assert_has(&seen, expected);
    assert_eq!(seen["lines"][0]["place"], 1);
    assert_eq!(queue(&stockbook).await, [("cem".to_owned(), 1)]);

    command.take(&first.reservation_id(), "confirm", json!({})).await;
    let cancelled = command.take(&first.reservation_id(), "cancel", json!({})).await;
    let expected = ["ReservationCancelled", "StockDeallocated", "StockWaitlistFilled"];
    assert_eq!(cancelled.types(), expected);
    // More events may follow: the reservation shortens its hold.
    let stock = command.stream("stock/A/MAIN").await;
    let nth = stock.iter().position(|event| event.event_type == "StockWaitlistFilled");
    let [freed, filled] = &stock[nth.expect("a fill") - 1..][..2] else { panic!("no fill") };
    assert_eq!(freed.recorded_at, filled.recorded_at, "one transaction");
    let seen = with_status(&stockbook, &id, "held").await;
    assert_has(&seen, json!({"lines": [{"quantity": 1, "waiting": 0, "place": null}]}));
    let expires_at = moment(&seen["expires_at"]);
    assert_eq!(expires_at, filled.recorded_at + Duration::from_secs(600));
    let history = command.stream(&format!("reservation/{id}")).await;
    assert!(history[1].recorded_at <= filled.recorded_at + Duration::from_secs(1), "{history:?}");
    assert_eq!(queue(&stockbook).await, []);
    command.take(&id, "confirm", json!({})).await;
    stockbook.verify().await;
    assert_eq!(stockbook.difference().await, None);
}

async fn who_waits_is_seen_everywhere_with_a_place_in_the_queue(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 1)]).await;
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    for (owner, priority) in [("ann", 5), ("ben", 2), ("cem", 9), ("dan", 5)] {
        let mut body = waiting(owner, 3_600, &[("A", 2)]);
        body["priority"] = json!(priority);
        command.post("/v1/reservations", body).await.expect_status(201);
    }
    let mut elsewhere = waiting("ann", 3_600, &[]);
    elsewhere["lines"] = json!([line_at("WEST", "A", 4)]);
    command.post("/v1/reservations", elsewhere).await.expect_status(201);
    let names = |queue: Vec<(String, i64)>| {
        queue.into_iter().map(|(owner, place)| format!("{owner} {place}")).collect::<Vec<_>>()
    };
    assert_eq!(names(queue(&stockbook).await), ["cem 1", "ann 2", "dan 3", "ben 4"]);

    let token = stockbook.heads().await;
    let of = async |path: &str| stockbook.read_at(path, &token).await.json();
    let anns = of("/v1/waitlist?owner=ann").await;
    let lines = json!([
        {"sku": "A", "location": "MAIN", "line": 1, "waiting": 1, "place": 2, "priority": 5},
        {"sku": "A", "location": "WEST", "line": 1, "waiting": 4, "place": 1, "priority": 5},
    ]);
    assert_has(&anns, json!({"items": lines, "next_cursor": null}));
    assert!(moment(&anns["items"][0]["since"]) < moment(&anns["items"][0]["wait_until"]));
    assert_eq!(of("/v1/waitlist?location=WEST").await["items"].as_array().unwrap().len(), 1);
    let page = of("/v1/waitlist?limit=3").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = of(&format!("/v1/waitlist?limit=3&cursor={cursor}")).await;
    assert_has(&rest, json!({"items": [{"place": 4}, {"place": 1}], "next_cursor": null}));

    let figure = json!({"on_hand": 1, "reserved": 1, "available": 0, "waiting": 7});
    assert_has(&of("/v1/stock/A/MAIN").await, figure);
    assert_has(&of("/v1/stock/A").await, json!({"waiting": 11}));
    assert_eq!(command.state("stock/A/MAIN").await["waiting"], 7);
    let pairs = json!({"pairs": [{"sku": "A", "location": "MAIN"}]});
    let asked = stockbook.query().post("/v1/availability", pairs).await.expect_status(200);
    assert_eq!(asked.json()["items"][0]["waiting"], 7);
    let explained = of("/v1/explain/A/MAIN").await;
    assert_has(&explained["summary"]["waiting_by"], json!({"lines": 4, "quantity": 7}));
    let moved = of("/v1/movements?sku=A&location=WEST&type=StockWaitlisted").await;
    let expected =
        json!({"before": {"waiting": 0}, "delta": {"waiting": 4}, "after": {"waiting": 4}});
    assert_has(&moved["items"][0], expected);
    let first = &command.stream("stock/A/MAIN").await[0];
    let before = format!("{}:{}", first.lane, first.position);
    let then = stockbook.query().json(&format!("/v1/stock/A/MAIN?at_position={before}")).await;
    assert_eq!(then["waiting"], 0, "{then}");
    let waiting = of("/v1/reservations?status=waiting").await;
    assert_eq!(waiting["items"].as_array().unwrap().len(), 5);
    let bens = of("/v1/reservations?owner=ben").await;
    assert_has(&bens, json!({"items": [{"lines": [{"waiting": 2, "place": 4}]}]}));
    command.refused("/v1/items/A/retire", json!({}), 409, "item_in_use").await;
    stockbook.verify().await;
    assert_eq!(stockbook.difference().await, None);
}

async fn a_reservation_over_two_lanes_is_held_from_its_last_fill_on(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0), ("B", 1), ("C", 0)]).await;
    let made = wait_for(&command, "cart", &[("A", 2), ("B", 1), ("C", 1)]).await;
    let id = made.reservation_id();
    let expected =
        json!({"lines": [{"waiting": 2}, {"waiting": 0, "quantity": 1}, {"waiting": 1}]});
    assert_has(&made.json()["reservation"], expected);
    command.done("/v1/receipts", lines_at_main(&[("C", 1)])).await;
    command.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    for step in ["confirm", "cancel", "fulfil"] {
        let refused = command.step(&id, step, json!({})).await;
        let refused = refused.expect_problem(409, "reservation_state");
        assert_eq!(refused["reservation_status"], "waiting");
    }
    let last = command.done("/v1/receipts", lines_at_main(&[("A", 5)])).await;
    assert_eq!(last.types(), ["StockReceived", "StockWaitlistFilled"]);
    let seen = with_status(&stockbook, &id, "held").await;
    let recorded_at = moment(&last.json()["recorded_at"]);
    assert_eq!(moment(&seen["expires_at"]), recorded_at + Duration::from_secs(600));
    for (sku, figures) in
        [("A", Figures::new(6, 2, 0)), ("B", Figures::new(1, 1, 0)), ("C", Figures::new(1, 1, 0))]
    {
        assert_eq!(command.figures(sku).await, figures);
    }
    command.take(&id, "confirm", json!({})).await;
    command.take(&id, "fulfil", json!({})).await;
    stockbook.verify().await;
    assert_eq!(stockbook.difference().await, None);
}

async fn waiting_ends_by_itself_and_what_was_filled_goes_to_the_next(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 1)]).await;
    let made = command.post("/v1/reservations", waiting("short", 2, &[("A", 3)])).await;
    let short = made.expect_status(201);
    let next = wait_for(&command, "next", &[("A", 1)]).await;
    let until = moment(&short.json()["reservation"]["wait_until"]);
    let seen = with_status(&stockbook, &short.reservation_id(), "expired").await;
    assert_eq!(moment(&seen["expires_at"]), until);
    assert_has(&seen, json!({"lines": [{"quantity": 1, "waiting": 0, "released": 1}]}));
    let history = command.stream(&format!("reservation/{}", short.reservation_id())).await;
    let last = history.last().unwrap();
    assert_eq!((last.event_type.as_str(), last.occurred_at), ("ReservationExpired", until));
    assert!(last.recorded_at <= until + Duration::from_secs(1), "{last:?}");
    let held = with_status(&stockbook, &next.reservation_id(), "held").await;
    assert_eq!(held["lines"][0]["quantity"], 1);
    // The hold ends too, and the stock goes to the next.
    let mut brief = waiting("brief", 3_600, &[("A", 1)]);
    brief["ttl_seconds"] = json!(1);
    let brief = command.post("/v1/reservations", brief).await.expect_status(201);
    let last = wait_for(&command, "last", &[("A", 1)]).await;
    command.take(&next.reservation_id(), "release", json!({})).await;
    with_status(&stockbook, &brief.reservation_id(), "expired").await;
    with_status(&stockbook, &last.reservation_id(), "held").await;
    assert_eq!(command.figures("A").await, Figures::new(1, 1, 0));
    stockbook.verify().await;
    assert_eq!(stockbook.difference().await, None);
}

async fn a_release_and_another_priority_change_the_queue(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 2)]).await;
    let ann = wait_for(&command, "ann", &[("A", 5)]).await.reservation_id();
    let ben = wait_for(&command, "ben", &[("A", 1)]).await.reservation_id();
    let over = command.step(&ann, "release", json!({"lines": [{"line": 1, "quantity": 6}]})).await;
    assert_has(&over.expect_problem(409, "over_release"), json!({"line": 1, "possible": 5}));
    let some = json!({"lines": [{"line": 1, "quantity": 2}], "reason": "less"});
    let some = command.take(&ann, "release", some).await;
    assert_eq!(some.types(), ["ReservationReleased", "StockWaitlistLeft"]);
    assert_has(&some.json()["reservation"], json!({"lines": [{"quantity": 2, "waiting": 1}]}));

    let path = |id: &str| format!("/v1/reservations/{id}");
    let raised = command.send("PATCH", &path(&ben), &json!({"priority": 9})).await;
    let raised = raised.expect_status(200);
    assert_eq!(raised.types(), ["ReservationWaitlistChanged", "StockWaitlistChanged"]);
    assert_eq!(raised.json()["reservation"]["priority"], 9);
    let expected = [("ben".to_owned(), 1), ("ann".to_owned(), 2)];
    assert_eq!(queue(&stockbook).await, expected);
    let until = moment(&raised.json()["reservation"]["wait_until"]);
    let longer = command.send("PATCH", &path(&ben), &json!({"wait_seconds": 7_200})).await;
    let longer = moment(&longer.expect_status(200).json()["reservation"]["wait_until"]);
    assert!(longer > until, "{longer} {until}");
    let same = command.send("PATCH", &path(&ben), &json!({})).await.expect_status(200);
    assert_eq!(same.types(), Vec::<String>::new());

    // All that waits is released: what is left is held from then on.
    let rest = json!({"lines": [{"line": 1, "quantity": 2}]});
    let rest = command.take(&ann, "release", rest).await;
    let expected = [
        "ReservationReleased",
        "StockWaitlistLeft",
        "StockReleased",
        "StockHoldExtended",
        "StockWaitlistFilled",
    ];
    assert_eq!(rest.types(), expected);
    assert_has(&rest.json()["reservation"], json!({"status": "held"}));
    with_status(&stockbook, &ben, "held").await;
    let late = command.send("PATCH", &path(&ben), &json!({"priority": 1})).await;
    late.expect_problem(409, "reservation_state");
    let unknown = command.send("PATCH", &path("17"), &json!({"priority": 1})).await;
    unknown.expect_problem(404, "unknown_reservation");
    stockbook.verify().await;
    assert_eq!(stockbook.difference().await, None);
}

async fn a_long_queue_is_filled_by_the_sweeper_after_the_first_thousand(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    for _ in 0..3 {
        let one = |nth: usize| {
            let mut one = waiting(&format!("w{}", nth % 7), 3_600, &[("A", 1)]);
            one["type"] = json!("reserve_stock");
            one
        };
        let all: Vec<Value> = (0..500).map(one).collect();
        command.done("/v1/batches", json!({"mode": "independent", "commands": all})).await;
    }
    let received = command.done("/v1/receipts", lines_at_main(&[("A", 1_600)])).await;
    assert_eq!(received.types().len(), 1_001);
    let waiting = async || command.state("stock/A/MAIN").await["waiting"].as_i64();
    eventually("the sweeper goes on", waiting, |waiting| *waiting == Some(0)).await;
    assert_eq!(command.figures("A").await, Figures::new(1_600, 1_500, 0));
    let followed = async || stockbook.count("ReservationFilled").await;
    eventually("all have followed", followed, |followed| *followed == 1_500).await;
    assert_eq!(queue(&stockbook).await, []);
    stockbook.verify().await;
    assert_eq!(stockbook.difference().await, None);
}

async fn a_batch_and_a_key_wait_once_and_a_dry_run_never(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let before = stockbook.heads().await;
    let body = waiting("ann", 3_600, &[("A", 1)]);
    let dry = command.post("/v1/reservations?validate_only=true", body.clone()).await;
    assert_eq!(dry.expect_status(200).json()["reservation"]["status"], "waiting");
    assert_eq!(stockbook.heads().await, before);
    let once = command.keyed("/v1/reservations", "k", &body).await.expect_status(201);
    let again = command.keyed("/v1/reservations", "k", &body).await.expect_status(201);
    assert!(again.is_replayed());
    assert_eq!(once.body, again.body);
    let mut more = waiting("ben", 3_600, &[("A", 1)]);
    more["type"] = json!("reserve_stock");
    let receipt = json!({"type": "receive_stock", "lines": [line_at("MAIN", "A", 2)]});
    let change = json!({
        "type": "change_reservation", "id": once.reservation_id(), "priority": 1,
    });
    let batch = json!({"mode": "atomic", "commands": [more, change, receipt]});
    let done = command.done("/v1/batches", batch).await.json();
    let types = |nth: usize| {
        let events = done["results"][nth]["body"]["events"].as_array().unwrap();
        events.iter().map(|event| event["type"].as_str().unwrap()).collect::<Vec<_>>()
    };
    let filled = "StockWaitlistFilled";
    assert_eq!(types(2), ["StockReceived", filled, filled]);
    with_status(&stockbook, &once.reservation_id(), "held").await;
    stockbook.verify().await;
}

async fn what_a_request_says_about_waiting_is_checked(world: Arc<World>) {
    let (_stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let cases = [
        (json!({"policy": "wait"}), "/wait_seconds"),
        (json!({"policy": "wait", "wait_seconds": 0}), "/wait_seconds"),
        (json!({"policy": "wait", "wait_seconds": 31_536_001}), "/wait_seconds"),
        (json!({"wait_seconds": 60}), "/wait_seconds"),
        (json!({"policy": "partial", "priority": 5}), "/priority"),
        (json!({"policy": "wait", "wait_seconds": 60, "priority": 10}), "/priority"),
        (json!({"policy": "all", "fill": "whole"}), "/fill"),
        (json!({"policy": "wait", "wait_seconds": 60, "fill": "some"}), "/fill"),
    ];
    for (members, pointer) in cases {
        let mut body = reservation("ann", 60, &[("A", 1)]);
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let problem = command.post("/v1/reservations", body).await;
        let problem = problem.expect_problem(422, "validation_failed");
        assert_eq!(pointers(&problem), [pointer], "{members}");
    }
}
