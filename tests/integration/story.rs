//! The walk through the README, as a test.

use std::sync::Arc;

use integration_tests::{Figures, Stockbook, World, assert_has, line_at, lines_at_main};
use serde_json::json;

trials! {
    a_shops_day_from_registration_to_the_answer,
    stock_is_counted_moved_and_its_item_retired,
}

async fn a_shops_day_from_registration_to_the_answer(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("85123A", 100), ("71053", 20)]).await;

    let mut sale = lines_at_main(&[("85123A", 6), ("71053", 6)]);
    sale["purpose"] = json!("sale");
    sale["reference"] = json!({"type": "invoice", "id": "536365"});
    sale["occurred_at"] = json!("2010-12-01T08:26:00Z");
    let sold = command.done("/v1/issues", sale).await;
    let answer = sold.json();
    assert_eq!(answer["position"], sold.position().to_string());
    assert_eq!(sold.header("correlation-id"), answer["correlation_id"].as_str());
    let issued = json!({"stream": "stock/85123A/MAIN", "version": 2, "type": "StockIssued"});
    assert_has(&answer["events"][0], issued);
    assert_has(&answer["figures"][1], json!({"sku": "71053", "available": 14}));

    let read = async |path: &str| stockbook.read_at(path, &sold.position()).await.json();
    let figure = read("/v1/stock/85123A/MAIN").await;
    assert_eq!(Figures::of(&figure), Figures::new(94, 0, 0));
    assert_eq!(figure["version"], 2);
    let total = read("/v1/stock/85123A").await;
    assert_has(&total, json!({"on_hand": 94, "locations": [{"location": "MAIN"}]}));
    assert_has(&read("/v1/stock?location=MAIN").await, json!({"items": [{}, {}]}));
    let movement = &read("/v1/movements?reference=invoice/536365").await["items"][0];
    let when = "2010-12-01T08:26:00.000000Z";
    assert_has(movement, json!({"occurred_at": when, "correlation_id": answer["correlation_id"]}));
    let sums = |member: &str| movement[member]["on_hand"].as_i64().unwrap();
    assert_eq!(sums("before") + sums("delta"), sums("after"));

    let history = command.stream("stock/85123A/MAIN").await;
    let types: Vec<&str> = history.iter().map(|event| event.event_type.as_str()).collect();
    assert_eq!(types, ["StockReceived", "StockIssued"]);
}

async fn stock_is_counted_moved_and_its_item_retired(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    stockbook.receive(&[("A", 10)]).await;

    let at_main = "/v1/stock/A/MAIN";
    let blind = command.put(at_main, json!({"quantity": 8})).await;
    blind.expect_problem(422, "validation_failed");
    let stale = command.put(at_main, json!({"quantity": 8, "expected_quantity": 9})).await;
    stale.expect_problem(409, "stale_quantity");
    let count = json!({"quantity": 8, "expected_quantity": 10, "reason": "cycle_count"});
    command.put("/v1/stock/A/MAIN", count).await.expect_status(200);

    let line = json!({"sku": "A", "from": "MAIN", "to": "WEST", "quantity": 5});
    let moved = command.post("/v1/moves", json!({"lines": [line]})).await;
    let moved = moved.expect_status(200);
    let total = stockbook.read_at("/v1/stock/A", &moved.position()).await.json();
    let there = json!([{"location": "MAIN", "on_hand": 3}, {"location": "WEST", "on_hand": 5}]);
    assert_has(&total, json!({"on_hand": 8, "locations": there}));
    let movements = stockbook.read_at("/v1/movements?sku=A", &moved.position()).await.json();
    let types = ["StockMovedIn", "StockMovedOut", "StockSet", "StockReceived"];
    assert_has(&movements["items"], json!(types.map(|kind| json!({"type": kind}))));

    let retire = "/v1/items/A/retire";
    command.refused(retire, json!({}), 409, "item_in_use").await;
    for (location, quantity) in [("MAIN", 3), ("WEST", 5)] {
        let line = line_at(location, "A", quantity);
        command.done("/v1/issues", json!({"lines": [line]})).await;
    }
    let bare = command.try_send(reqwest::Method::POST, retire, &[], None).await.unwrap();
    let retired = bare.expect_status(200);
    command.refused("/v1/receipts", lines_at_main(&[("A", 1)]), 409, "item_retired").await;
    let item = stockbook.read_at("/v1/items/A", &retired.position()).await.json();
    assert_eq!(item["retired"], json!(true));

    let reinstated = command.done("/v1/items/A/reinstate", json!({"reason": "demand"})).await;
    assert_eq!(reinstated.types(), ["ItemReinstated"]);
    let item = stockbook.read_at("/v1/items/A", &reinstated.position()).await.json();
    assert_eq!(item["retired"], json!(false));
    let again = command.done("/v1/items/A/reinstate", json!({})).await;
    assert!(again.types().is_empty(), "{again:?}");
    command.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    stockbook.verify().await;
}
