//! The README's story: a shop's day, then what a reader tries by hand.

use integration_tests::{Figures, lines_at_main};
use serde_json::json;
use stack::access::Access;
use stack::replay::plan::{Plan, Stock};
use stack::replay::source::Source;
use stack::replay::{CLIENTS, Options, replay};

use crate::project::Project;

pub(crate) async fn the_readme_is_followed_on_a_new_project(project: &Project) {
    // 1. A real shop's day; every figure is checked.
    let plan = Plan::new(Stock::Full, &[Source::sample().expect("the sample is shipped")]);
    let parse = |url: &String| url.parse().expect("a URL");
    let options = Options {
        command: vec![parse(&project.command_url)],
        query: parse(&project.query_url),
        clients: CLIENTS,
        access: Access::default(),
    };
    let report = replay(&plan.expect("the trade can be read"), &options).await;
    let report = report.expect("the replay comes through");
    assert!(report.is_good(), "{report}");

    // 2. Ten in, six out; the same line again changes nothing.
    let command = project.command();
    let before = command.figures("85123A").await;
    let ten = lines_at_main(&[("85123A", 10)]);
    command.done("/v1/receipts", ten).await;
    let mut six = lines_at_main(&[("85123A", 6)]);
    six["purpose"] = json!("sale");
    let key = [("idempotency-key", "order-17")];
    let sold = command.send_with("POST", "/v1/issues", &key, &six).await.expect_status(200);
    let again = command.send_with("POST", "/v1/issues", &key, &six).await.expect_status(200);
    assert_eq!(again.body, sold.body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));

    // 3. Two held for a cart, then promised to an order.
    let held = command.reserve("cart-7", 600, &[("85123A", 2)]).await;
    command.step(&held.reservation_id(), "confirm", json!({})).await.expect_status(200);

    // 4. What it would be to take the sale back.
    let sale = sold.json()["correlation_id"].clone();
    let back = json!({"correlation_id": sale, "reason": "booked_twice", "dry_run": true});
    let back = command.done("/v1/reversals", back).await;
    assert_eq!(back.figures("85123A").on_hand, before.on_hand + 10, "{}", back.body);

    // 5. What is known of a person is sealed, and opened for who may.
    let mut one = lines_at_main(&[("85123A", 1)]);
    one["personal"] = json!({"subject": "customer-17850", "data": {"name": "Mrs Miller"}});
    let taken = command.done("/v1/receipts", one).await.json();
    let id = taken["events"][0]["id"].as_str().expect("an id");
    let opened = command.get(&format!("/v1/events/{id}/personal")).await.expect_status(200);
    assert_eq!(opened.json()["data"]["name"], "Mrs Miller");

    // 6. The other service and the topic say the same.
    let expected = Figures::new(before.on_hand + 5, 0, 2);
    assert_eq!(Figures::of(&project.read("/v1/stock/85123A/MAIN").await), expected);
    project.assert_topic_equals_log().await;
}
