//! The life of a reservation, from the hold to what comes back.

use std::sync::Arc;

use integration_tests::{Answer, Figures, Stockbook, World, assert_has, moment, reservation};
use serde_json::{Value, json};

trials! {
    a_hold_is_confirmed_and_fulfilled_in_parts,
    a_partial_reservation_holds_what_is_there_and_releases_it_in_parts,
    every_refusal_about_a_reservation_says_its_numbers,
}

/// A member of the answered reservation's line, counted from 1.
fn line(answer: &Answer, line: usize, member: &str) -> i64 {
    answer.json()["reservation"]["lines"][line - 1][member].as_i64().expect("an amount")
}

/// The answer's reservation is in this state.
#[track_caller]
fn assert_status(answer: &Answer, status: &str) {
    assert_eq!(answer.json()["reservation"]["status"], status, "{}", answer.body);
}

/// The hold of the answer's reservation ends so many seconds after the answer was recorded.
#[track_caller]
fn assert_ends(answer: &Answer, seconds: i64) {
    let answer = answer.json();
    let (from, to) = (moment(&answer["recorded_at"]), moment(&answer["reservation"]["expires_at"]));
    assert_eq!(to.unix_micros() - from.unix_micros(), seconds * 1_000_000, "{answer}");
}

/// The query side returns the same reservation, member by member.
async fn assert_query_agrees(stockbook: &Stockbook, answer: &Answer) {
    let path = format!("/v1/reservations/{}", answer.reservation_id());
    let seen = stockbook.read_at(&path, &answer.position()).await;
    assert!(seen.header("stock-position").is_some(), "{seen:?}");
    assert_has(&seen.json(), answer.json()["reservation"].clone());
}

async fn a_hold_is_confirmed_and_fulfilled_in_parts(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10), ("B", 4)]).await;
    let mut body = reservation("cart-7", 600, &[("A", 6), ("B", 4)]);
    body["reference"] = json!({"type": "cart", "id": "7"});
    let held = command.post("/v1/reservations", body).await.expect_status(201);
    let id = held.reservation_id();
    assert_status(&held, "held");
    let made = held.json()["reservation"].clone();
    assert_has(&made, json!({"owner": "cart-7", "reference": {"id": "7"}}));
    assert_eq!(held.json()["events"][0]["stream"], format!("reservation/{id}"));
    assert_eq!(held.types(), ["ReservationHeld", "StockReserved", "StockReserved"]);
    assert_eq!(held.figures("A"), Figures::new(10, 6, 0));
    assert_eq!(held.figures("B"), Figures::new(4, 4, 0));
    assert_ends(&held, 600);
    assert_query_agrees(&stockbook, &held).await;

    let extended = command.take(&id, "extend", json!({"ttl_seconds": 30})).await;
    assert_eq!(extended.types(), ["ReservationExtended", "StockHoldExtended", "StockHoldExtended"]);
    assert_ends(&extended, 30);

    let part = json!({"lines": [{"line": 1, "quantity": 1}]});
    let released = command.take(&id, "release", part).await;
    assert_status(&released, "held");
    assert_eq!(line(&released, 1, "released"), 1);
    assert_eq!(released.figures("A"), Figures::new(10, 5, 0));

    let order = json!({"reference": {"type": "order", "id": "17"}});
    let confirmed = command.take(&id, "confirm", order).await;
    assert_status(&confirmed, "confirmed");
    assert_eq!(confirmed.json()["reservation"]["reference"]["id"], "17");
    assert_eq!(confirmed.figures("A"), Figures::new(10, 0, 5));
    assert_eq!(confirmed.figures("B"), Figures::new(4, 0, 4));
    assert_no_event(&stockbook, &id, "confirm", "confirmed").await;

    let parts = json!({"lines": [{"line": 1, "quantity": 2}, {"line": 2, "quantity": 4}]});
    let fulfilled = command.take(&id, "fulfil", parts).await;
    assert_status(&fulfilled, "confirmed");
    assert_eq!(fulfilled.types(), ["ReservationFulfilled", "StockFulfilled", "StockFulfilled"]);
    assert_eq!(fulfilled.figures("A"), Figures::new(8, 0, 3));
    assert_eq!(fulfilled.figures("B"), Figures::new(0, 0, 0));

    let cancelled = command.take(&id, "cancel", json!({})).await;
    assert_status(&cancelled, "fulfilled");
    assert_eq!((line(&cancelled, 1, "released"), line(&cancelled, 1, "fulfilled")), (4, 2));
    assert_eq!(cancelled.figures("A"), Figures::new(8, 0, 0));
    assert_no_event(&stockbook, &id, "cancel", "fulfilled").await;

    let back = json!({"lines": [{"line": 1, "quantity": 1}]});
    let returned = command.take(&id, "return", back).await;
    assert_status(&returned, "fulfilled");
    assert_eq!((line(&returned, 1, "returned"), returned.figures("A")), (1, Figures::new(9, 0, 0)));
    assert_query_agrees(&stockbook, &returned).await;
    assert_views_agree(&stockbook, &returned).await;
    stockbook.verify().await;
}

/// The stock's figures and the way there, as the query side returns them at the end.
async fn assert_views_agree(stockbook: &Stockbook, returned: &Answer) {
    let figure = stockbook.read_at("/v1/stock/A/MAIN", &returned.position()).await.json();
    assert_eq!(Figures::of(&figure), Figures::new(9, 0, 0));
    let movements = "/v1/movements?sku=A&limit=200";
    let movements = stockbook.read_at(movements, &returned.position()).await.json();
    let rows = movements["items"].as_array().unwrap().iter().rev();
    let types: Vec<&Value> = rows.map(|movement| &movement["type"]).collect();
    assert_eq!(types[..3], ["StockReceived", "StockReserved", "StockHoldExtended"], "{movements}");
}

/// A whole step that is done already is answered, with the reservation, and leaves no event.
async fn assert_no_event(stockbook: &Stockbook, id: &str, step: &str, status: &str) {
    let before = stockbook.heads().await;
    let again = stockbook.command().take(id, step, json!({})).await;
    assert!(again.types().is_empty(), "{again:?}");
    assert_status(&again, status);
    assert_eq!(stockbook.heads().await, before, "{step} again was recorded");
    for (lane, position) in again.position().iter() {
        assert_eq!(before.get(lane), Some(position), "{again:?}");
    }
}

async fn a_partial_reservation_holds_what_is_there_and_releases_it_in_parts(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10), ("B", 4), ("C", 0)]).await;
    let mut body = reservation("cart-8", 600, &[("A", 6), ("B", 9), ("C", 5), ("A", 6)]);
    let short = command.refused("/v1/reservations", body.clone(), 409, "insufficient_stock").await;
    let place = |sku: &str, requested: i64, available: i64| json!({"sku": sku, "location": "MAIN", "requested": requested, "available": available});
    let mut lines = short["lines"].as_array().expect("lines").clone();
    lines.sort_by_key(|line| line["sku"].to_string());
    assert_eq!(lines, [place("A", 12, 10), place("B", 9, 4), place("C", 5, 0)]);

    body["policy"] = json!("partial");
    let held = command.post("/v1/reservations", body.clone()).await.expect_status(201);
    let id = held.reservation_id();
    let line_of = |(requested, quantity)| json!({"requested": requested, "quantity": quantity});
    let lines = [(6, 6), (9, 4), (5, 0), (6, 4)].map(line_of);
    assert_has(&held.json()["reservation"]["lines"], json!(lines));
    assert_eq!(held.types().join(" "), "ReservationHeld StockReserved StockReserved StockReserved");
    assert_eq!(command.figures("A").await, Figures::new(10, 10, 0));
    command.refused("/v1/reservations", body, 409, "insufficient_stock").await;

    let parts = json!({"lines": [{"line": 4, "quantity": 3}, {"line": 4, "quantity": 1}]});
    let released = command.take(&id, "release", parts).await;
    assert_status(&released, "held");
    assert_eq!(line(&released, 4, "released"), 4);
    let released = command.take(&id, "release", json!({})).await;
    assert_status(&released, "released");
    assert_eq!(released.figures("A"), Figures::new(10, 0, 0));
    assert_eq!(released.figures("B"), Figures::new(4, 0, 0));
    assert_no_event(&stockbook, &id, "release", "released").await;
    assert_query_agrees(&stockbook, &released).await;
    stockbook.verify().await;
}

async fn every_refusal_about_a_reservation_says_its_numbers(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let held = command.reserve("cart-9", 600, &[("A", 4), ("A", 2)]).await;
    let id = held.reservation_id();
    let parts = |parts: &[(u32, i64)]| {
        let part = |(line, quantity): &(u32, i64)| json!({"line": line, "quantity": quantity});
        json!({"lines": parts.iter().map(part).collect::<Vec<_>>()})
    };
    let before = stockbook.heads().await;
    let refused = async |step: &str, body: Value, code: &str| {
        command.step(&id, step, body).await.expect_problem(409, code)
    };
    let refused_in_state = async |step: &str, body: Value, state: &str| {
        let problem = refused(step, body, "reservation_state").await;
        assert_eq!(problem["reservation_status"], state, "{step}");
    };
    let over = async |step: &str, body: Value, code: &str, [line, asked, possible]: [i64; 3]| {
        let excess = json!({"line": line, "asked": asked, "possible": possible});
        assert_has(&refused(step, body, code).await, excess);
    };
    refused_in_state("cancel", json!({}), "held").await;
    refused_in_state("fulfil", json!({}), "held").await;
    refused_in_state("return", parts(&[(1, 1)]), "held").await;
    over("release", parts(&[(1, 3), (2, 1), (1, 2)]), "over_release", [1, 5, 4]).await;
    over("release", parts(&[(3, 7)]), "over_release", [3, 7, 0]).await;
    let stale = [("if-match", "\"7\"")];
    let path = format!("/v1/reservations/{id}/confirm");
    let stale = command.send_with("POST", &path, &stale, &json!({})).await;
    let stale = stale.expect_problem(412, "version_conflict");
    assert_has(&stale, json!({"expected": 7, "actual": 1}));
    // Another id of the same form.
    let last = if id.ends_with('0') { '1' } else { '0' };
    let unknown = format!("{}{last}", &id[..id.len() - 1]);
    let problem = command.step(&unknown, "confirm", json!({})).await;
    assert_eq!(problem.expect_problem(404, "unknown_reservation")["id"], json!(unknown));
    let problem = stockbook.query().get(&format!("/v1/reservations/{unknown}")).await;
    problem.expect_problem(404, "unknown_reservation");
    assert_eq!(stockbook.heads().await, before, "a refusal was recorded");

    command.take(&id, "confirm", json!({})).await;
    refused_in_state("extend", json!({"ttl_seconds": 5}), "confirmed").await;
    refused_in_state("release", json!({}), "confirmed").await;
    over("cancel", parts(&[(2, 3)]), "over_release", [2, 3, 2]).await;
    over("fulfil", parts(&[(1, 5)]), "over_fulfil", [1, 5, 4]).await;
    over("return", parts(&[(1, 1)]), "over_return", [1, 1, 0]).await;
    command.take(&id, "fulfil", json!({})).await;
    refused_in_state("fulfil", json!({}), "fulfilled").await;
    refused_in_state("confirm", json!({}), "fulfilled").await;
    command.take(&id, "return", parts(&[(1, 4)])).await;
    over("return", parts(&[(1, 1)]), "over_return", [1, 1, 0]).await;
    stockbook.verify().await;
}
