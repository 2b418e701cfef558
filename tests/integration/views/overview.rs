//! The stock and the views as a whole.

use std::sync::Arc;

use integration_tests::{World, eventually, lines_at_main, reservation};
use serde_json::{Value, json};

use super::start;

trials! {
    the_overview_adds_up_what_the_lists_show,
}

async fn the_overview_adds_up_what_the_lists_show(world: Arc<World>) {
    let stockbook = start(&world, 4).await;
    let (command, query) = (stockbook.command(), stockbook.query());
    stockbook.register(&["A", "B", "C"]).await;
    command.put("/v1/locations/SHOP", json!({})).await.expect_status(201);
    let low = json!({"name": "D", "reorder_point": 5});
    command.put("/v1/items/D", low).await.expect_status(201);
    stockbook.receive(&[("A", 100), ("B", 1), ("D", 4)]).await;
    command.done("/v1/issues", lines_at_main(&[("B", 1)])).await;
    command.reserve("cart", 600, &[("A", 7)]).await;
    let mut waits = reservation("cart", 600, &[("C", 3)]);
    waits["policy"] = json!("wait");
    waits["wait_seconds"] = json!(600);
    command.post("/v1/reservations", waits).await.expect_status(201);
    let sent = json!({"lines": [{"sku": "A", "from": "MAIN", "to": "SHOP", "quantity": 20}]});
    let sent = command.post("/v1/transfers", sent).await.expect_status(201);
    command.post("/v1/items/C/retire", json!({})).await.expect_problem(409, "item_in_use");
    let overview = stockbook.read_at("/v1/overview", &sent.position()).await;
    let position = overview.header("stock-position").map(str::to_owned);
    let overview = overview.json();
    let sum = |name: &str| overview[name].as_i64().unwrap();
    let mut sums = [0; 6];
    let names = ["on_hand", "reserved", "allocated", "available", "incoming", "waiting"];
    for pair in query.rows("/v1/stock?").await {
        for (sum, name) in sums.iter_mut().zip(names) {
            *sum += pair[name].as_i64().unwrap();
        }
    }
    assert_eq!(names.map(sum), sums, "{overview}");
    for (name, expected) in [
        ("skus", 4),
        ("locations", 2),
        ("on_hand", 84),
        ("reserved", 7),
        ("incoming", 20),
        ("waiting", 3),
        ("low", 1),
        ("sold_out", 3),
        ("waiting_lines", 1),
        ("in_transit", 1),
        ("overdue", 0),
        ("lag", 0),
    ] {
        assert_eq!(sum(name), expected, "{name}: {overview}");
    }
    assert_eq!(overview["position"].as_str().map(str::to_owned), position);
    assert_eq!(overview["stopped_lanes"], json!([]));
    // It follows what happens, and knows how fast.
    stockbook.receive(&[("A", 1); 50]).await;
    let again = async || query.json("/v1/overview").await;
    let is_so = |now: &Value| now["on_hand"] == 134 && now["events_per_second"].is_number();
    eventually("the overview follows", again, is_so).await;
}
