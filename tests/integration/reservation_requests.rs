//! What may be asked about reservations, and what a list of them holds.

use std::sync::Arc;

use integration_tests::{Api, Figures, Stockbook, World, lines_at_main, pointers, reservation};
use serde_json::json;

trials! {
    an_invalid_reservation_gets_all_its_faults,
    reservations_are_listed_by_owner_reference_and_status,
    one_key_makes_one_reservation_and_validate_only_makes_none,
    a_hold_is_replaced_in_one_transaction,
    a_confirmed_reservation_has_no_expiry,
    an_accepted_shortage_is_shown_and_missing_units_cannot_be_issued,
}

async fn an_invalid_reservation_gets_all_its_faults(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let id = command.reserve("cart", 600, &[("A", 1)]).await.reservation_id();
    let before = stockbook.heads().await;
    let good = json!({"sku": "A", "location": "MAIN", "quantity": 1});
    let path = |step: &str| format!("/v1/reservations/{id}/{step}");
    for (path, body, expected) in [
        (
            "/v1/reservations".to_owned(),
            json!({"lines": [good], "ttl_seconds": 0, "policy": "some"}),
            vec!["/owner", "/policy", "/ttl_seconds"],
        ),
        (
            "/v1/reservations".to_owned(),
            json!({"owner": "o", "lines": [], "ttl_seconds": 2_592_001}),
            vec!["/lines", "/ttl_seconds"],
        ),
        (path("extend"), json!({}), vec!["/ttl_seconds"]),
        (path("extend"), json!({"ttl_seconds": 1.5}), vec!["/ttl_seconds"]),
        (
            path("release"),
            json!({"lines": [{"line": 0, "quantity": 0}]}),
            vec!["/lines/0/line", "/lines/0/quantity"],
        ),
        (path("return"), json!({}), vec!["/lines"]),
        (path("confirm"), json!({"lines": []}), vec!["/lines"]),
    ] {
        let problem = command.refused(&path, body, 422, "validation_failed").await;
        assert_eq!(pointers(&problem), expected, "{path}: {problem}");
    }
    let mut body = reservation("cart", 60, &[("NONE", 1)]);
    let unknown = command.post("/v1/reservations", body.clone()).await;
    assert_eq!(unknown.expect_problem(404, "unknown_sku")["sku"], "NONE");
    body["lines"] = json!([{"sku": "A", "location": "NONE", "quantity": 1}]);
    let unknown = command.post("/v1/reservations", body).await;
    assert_eq!(unknown.expect_problem(404, "unknown_location")["location"], "NONE");
    assert_eq!(stockbook.heads().await, before, "a refusal was recorded");
}

async fn a_hold_is_replaced_in_one_transaction(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5), ("B", 5)]).await;
    let old = command.reserve("cart", 600, &[("A", 4), ("B", 1)]).await.reservation_id();
    let replacing = |owner: &str, quantity: i64| {
        let mut body = reservation(owner, 600, &[("A", quantity)]);
        body["replaces"] = json!(old);
        body
    };
    let path = "/v1/reservations";
    let short = command.refused(path, replacing("cart", 6), 409, "insufficient_stock").await;
    assert_eq!(short["lines"][0]["available"], 5, "{short}");
    let foreign = command.refused(path, replacing("other", 1), 404, "unknown_reservation").await;
    assert_eq!(foreign["id"], old);
    assert_eq!(
        command.figures("A").await,
        Figures { on_hand: 5, reserved: 4, allocated: 0, available: 1 }
    );

    let new = command.post(path, replacing("cart", 5)).await.expect_status(201);
    assert_eq!(
        new.types(),
        [
            "ReservationReleased",
            "StockReleased",
            "StockReleased",
            "ReservationHeld",
            "StockReserved"
        ]
    );
    assert_ne!(new.reservation_id(), old);
    assert_eq!(
        command.figures("A").await,
        Figures { on_hand: 5, reserved: 5, allocated: 0, available: 0 }
    );
    assert_eq!(
        command.figures("B").await,
        Figures { on_hand: 5, reserved: 0, allocated: 0, available: 5 }
    );
    let path_of_old = format!("/v1/reservations/{old}");
    let shown = stockbook.read_at(&path_of_old, &new.position()).await.json();
    assert_eq!(shown["status"], "released", "{shown}");
    let again = command.refused(path, replacing("cart", 1), 409, "reservation_state").await;
    assert_eq!(again["reservation_status"], "released", "{again}");
}

async fn a_confirmed_reservation_has_no_expiry(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let held = command.reserve("cart", 600, &[("A", 1)]).await;
    let id = held.reservation_id();
    assert!(held.json()["reservation"]["expires_at"].is_string(), "{held:?}");
    let confirmed = command.take(&id, "confirm", json!({})).await;
    assert!(confirmed.json()["reservation"]["expires_at"].is_null(), "{confirmed:?}");
    let position = confirmed.position();
    let shown = stockbook.read_at(&format!("/v1/reservations/{id}"), &position).await.json();
    assert!(shown["expires_at"].is_null(), "{shown}");
    let listed = stockbook.read_at("/v1/reservations?owner=cart", &position).await.json();
    assert!(listed["items"][0]["expires_at"].is_null(), "{listed}");
}

/// The ids that a list of the query side names, page after page.
async fn listed(query: &Api, filter: &str) -> Vec<String> {
    let rows = query.rows(&format!("/v1/reservations?{filter}limit=2")).await;
    let mut ids: Vec<String> =
        rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
    ids.sort_unstable();
    ids
}

async fn reservations_are_listed_by_owner_reference_and_status(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 50), ("B", 50), ("C", 50)]).await;
    let mut ids = Vec::new();
    for (owner, sku) in [("ann", "A"), ("bob", "B"), ("ann", "C"), ("ann", "A"), ("bob", "C")] {
        ids.push(command.reserve(owner, 600, &[(sku, 1)]).await.reservation_id());
    }
    let order = json!({"reference": {"type": "order", "id": "O/1"}});
    command.take(&ids[0], "confirm", order).await;
    command.take(&ids[3], "release", json!({})).await;
    stockbook.read_at("/v1/reservations", &stockbook.heads().await).await;
    let query = stockbook.query();
    for (filter, expected) in [
        ("owner=ann&", vec![0, 2, 3]),
        ("owner=bob&", vec![1, 4]),
        ("status=held&", vec![1, 2, 4]),
        ("owner=ann&status=released&", vec![3]),
        ("reference=order/O%2F1&", vec![0]),
        ("owner=nobody&", vec![]),
        ("", vec![0, 1, 2, 3, 4]),
    ] {
        let mut expected: Vec<String> =
            expected.into_iter().map(|nth: usize| ids[nth].clone()).collect();
        expected.sort_unstable();
        assert_eq!(listed(&query, filter).await, expected, "{filter}");
    }
}

async fn one_key_makes_one_reservation_and_validate_only_makes_none(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let before = stockbook.heads().await;
    let body = reservation("cart", 600, &[("A", 3)]);
    let key = [("idempotency-key", "cart-1")];
    let path = "/v1/reservations?validate_only=true";
    let valid = command.send_with("POST", path, &key, &body).await.expect_status(200);
    assert_eq!(valid.types(), ["ReservationHeld", "StockReserved"]);
    assert_eq!(valid.figures("A"), Figures::new(5, 3, 0));
    assert!(valid.json()["events"][0]["id"].is_null(), "{valid:?}");
    assert_eq!(stockbook.heads().await, before, "validating was recorded");

    let held = command.send_with("POST", "/v1/reservations", &key, &body).await.expect_status(201);
    let again = command.send_with("POST", "/v1/reservations", &key, &body).await.expect_status(201);
    assert!(again.is_replayed());
    assert_eq!(again.body, held.body, "another id, or another end");
    let confirm = format!("/v1/reservations/{}/confirm", held.reservation_id());
    let valid = command.post(&format!("{confirm}?validate_only=true"), json!({})).await;
    assert_eq!(valid.expect_status(200).figures("A"), Figures::new(5, 0, 3));
    assert_eq!(command.figures("A").await, Figures::new(5, 3, 0));
    // A repeated step that changed nothing gets the same answer again.
    let key = [("idempotency-key", "confirm-1")];
    let first = command.send_with("POST", &confirm, &key, &json!({})).await.expect_status(200);
    command.take(&held.reservation_id(), "fulfil", json!({})).await;
    let again = command.send_with("POST", &confirm, &key, &json!({})).await.expect_status(200);
    assert!(again.is_replayed());
    assert_eq!(again.body, first.body);
    stockbook.verify().await;
}

async fn an_accepted_shortage_is_shown_and_missing_units_cannot_be_issued(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 10)]).await;
    let id = command.reserve("order", 600, &[("A", 6)]).await.reservation_id();
    command.take(&id, "confirm", json!({})).await;
    let line = json!({"sku": "A", "location": "MAIN", "delta": -7});
    let mut lost = json!({"lines": [line], "reason": "lost"});
    command.refused("/v1/adjustments", lost.clone(), 409, "insufficient_stock").await;
    lost["accept_shortage"] = json!(true);
    let lost = command.done("/v1/adjustments", lost).await;
    assert_eq!(lost.figures("A"), Figures::new(3, 0, 6));
    let seen = stockbook.read_at("/v1/stock/A/MAIN", &lost.position()).await.json();
    assert_eq!((Figures::of(&seen), &seen["available"]), (Figures::new(3, 0, 6), &json!(-3)));
    let history = command.stream("stock/A/MAIN").await;
    let data = history.last().expect("an adjustment").data.get().to_owned();
    assert!(data.contains("\"shortage\":true"), "{data}");

    let problem = command.step(&id, "fulfil", json!({})).await;
    let problem = problem.expect_problem(409, "insufficient_stock");
    let short = json!({"sku": "A", "location": "MAIN", "requested": 6, "available": 3});
    assert_eq!(problem["lines"], json!([short]));
    let part = json!({"lines": [{"line": 1, "quantity": 3}]});
    let part = command.take(&id, "fulfil", part).await;
    assert_eq!(part.figures("A"), Figures::new(0, 0, 3));
    command.refused("/v1/issues", lines_at_main(&[("A", 1)]), 409, "insufficient_stock").await;
    stockbook.receive(&[("A", 3)]).await;
    let rest = command.take(&id, "fulfil", json!({})).await;
    assert_eq!(rest.figures("A"), Figures::new(0, 0, 0));
    stockbook.verify().await;
}
