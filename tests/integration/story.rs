//! The walk through the README, as a test.

use std::sync::Arc;

use integration_tests::stockbook::{Stockbook, lines_at_main};
use integration_tests::world::World;
use serde_json::json;

pub(crate) async fn a_shops_day_from_registration_to_the_answer(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    stockbook.register(&["85123A", "71053"]).await;
    stockbook.receive(&[("85123A", 100), ("71053", 20)]).await;

    let mut sale = lines_at_main(&[("85123A", 6), ("71053", 6)]);
    sale["purpose"] = json!("sale");
    sale["reference"] = json!({"type": "invoice", "id": "536365"});
    sale["occurred_at"] = json!("2010-12-01T08:26:00Z");
    let sold = command.send("POST", "/v1/issues", &sale).await.expect_status(200);
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
