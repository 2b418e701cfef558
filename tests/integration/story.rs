//! The walk through the README, as a test.

use std::sync::Arc;

use integration_tests::stockbook::{Stockbook, lines_at_main};
use integration_tests::world::World;
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
    let streams: Vec<_> = answer["events"].as_array().unwrap().iter().collect();
    assert_eq!(streams[0]["stream"], "stock/85123A/MAIN");
    assert_eq!(streams[0]["version"], 2);
    assert_eq!(streams[0]["type"], "StockIssued");
    assert_eq!(answer["figures"][1]["sku"], "71053");
    assert_eq!(answer["figures"][1]["available"], 14);

    let figure = stockbook.read_at("/v1/stock/85123A/MAIN", &sold.position()).await;
    let json = figure.json();
    assert_eq!(
        (&json["on_hand"], &json["available"], &json["version"]),
        (&json!(94), &json!(94), &json!(2))
    );
    assert_eq!((&json["reserved"], &json["allocated"]), (&json!(0), &json!(0)));

    let total = stockbook.read_at("/v1/stock/85123A", &sold.position()).await.json();
    assert_eq!(
        (&total["on_hand"], &total["locations"][0]["location"]),
        (&json!(94), &json!("MAIN"))
    );

    let list = stockbook.read_at("/v1/stock?location=MAIN", &sold.position()).await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(2), "{list}");

    let movements = "/v1/movements?reference=invoice/536365";
    let movements = stockbook.read_at(movements, &sold.position()).await.json();
    let movement = &movements["items"].as_array().unwrap()[0];
    assert_eq!(movement["occurred_at"], "2010-12-01T08:26:00.000000Z");
    assert_eq!(movement["correlation_id"], answer["correlation_id"]);
    let sums = |member: &str| movement[member]["on_hand"].as_i64().unwrap();
    assert_eq!(sums("before") + sums("delta"), sums("after"));

    let history = command.get("/v1/streams/stock/85123A/MAIN/events").await.expect_status(200);
    let types: Vec<String> = history
        .body
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].to_string())
        .collect();
    assert_eq!(types, ["\"StockReceived\"", "\"StockIssued\""]);
}

async fn stock_is_counted_moved_and_its_item_retired(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    stockbook.receive(&[("A", 10)]).await;

    let blind = command.put("/v1/stock/A/MAIN", json!({"quantity": 8})).await;
    blind.expect_problem(422, "validation_failed");
    let stale = json!({"quantity": 8, "expected_quantity": 9});
    let stale = command.send("PUT", "/v1/stock/A/MAIN", &stale).await;
    stale.expect_problem(409, "stale_quantity");
    let count = json!({"quantity": 8, "expected_quantity": 10, "reason": "cycle_count"});
    command.put("/v1/stock/A/MAIN", count).await.expect_status(200);

    let line = json!({"sku": "A", "from": "MAIN", "to": "WEST", "quantity": 5});
    let moved = command.post("/v1/moves", json!({"lines": [line]})).await;
    let moved = moved.expect_status(200);
    let total = stockbook.read_at("/v1/stock/A", &moved.position()).await.json();
    let there: Vec<_> = total["locations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|at| (at["location"].as_str().unwrap(), at["on_hand"].as_i64().unwrap()))
        .collect();
    assert_eq!((&total["on_hand"], there), (&json!(8), vec![("MAIN", 3), ("WEST", 5)]));
    let movements = stockbook.read_at("/v1/movements?sku=A", &moved.position()).await.json();
    let types: Vec<_> =
        movements["items"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
    assert_eq!(types, ["StockMovedIn", "StockMovedOut", "StockSet", "StockReceived"]);

    let retire = "/v1/items/A/retire";
    command.refused(retire, json!({}), 409, "item_in_use").await;
    for (location, quantity) in [("MAIN", 3), ("WEST", 5)] {
        let line = json!({"sku": "A", "location": location, "quantity": quantity});
        command.done("/v1/issues", json!({"lines": [line]})).await;
    }
    let bare = command.try_send(reqwest::Method::POST, retire, &[], None).await.unwrap();
    let retired = bare.expect_status(200);
    command.refused("/v1/receipts", lines_at_main(&[("A", 1)]), 409, "item_retired").await;
    let item = stockbook.read_at("/v1/items/A", &retired.position()).await.json();
    assert_eq!(item["retired"], json!(true));
}
