//! Conditional headers of commands: honoured or refused, never ignored.

use std::sync::Arc;

use integration_tests::{Stockbook, World, pointers};
use serde_json::json;

trials! {
    a_put_that_must_create_or_must_change_does_nothing_else,
    a_condition_that_cannot_be_checked_is_refused,
}

async fn a_put_that_must_create_or_must_change_does_nothing_else(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let count = json!({"quantity": 5, "expected_quantity": null});
    for (old, new, body) in [
        ("/v1/items/A", "/v1/items/NEW", json!({"name": "Another"})),
        ("/v1/locations/MAIN", "/v1/locations/NEW", json!({"name": "Another"})),
        ("/v1/stock/A/MAIN", "/v1/stock/NEW/MAIN", count),
    ] {
        let before = stockbook.recorded().await;
        let put = async |path: &str, header: &str| {
            command.send_with("PUT", path, &[(header, "*")], &body).await
        };
        let conflict = put(old, "if-none-match").await.expect_problem(412, "version_conflict");
        assert_eq!(conflict["expected"], 0, "{conflict}");
        let conflict = put(new, "if-match").await.expect_problem(412, "version_conflict");
        assert_eq!(conflict["actual"], 0, "{conflict}");
        assert_eq!(stockbook.recorded().await, before, "a refused PUT of {old} was recorded");
        assert!(matches!(put(new, "if-none-match").await.status, 200 | 201), "{new}");
        assert!(matches!(put(old, "if-match").await.status, 200 | 201), "{old}");
        put(new, "if-none-match").await.expect_problem(412, "version_conflict");
    }
}

async fn a_condition_that_cannot_be_checked_is_refused(world: Arc<World>) {
    let (_stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let line = json!({"lines": [{"sku": "A", "location": "MAIN", "quantity": 1}]});
    for (method, path, body, header, value) in [
        ("PUT", "/v1/items/A", json!({}), "if-none-match", "\"1\""),
        ("PUT", "/v1/items/A", json!({}), "if-match", "1"),
        ("PUT", "/v1/items/A", json!({}), "if-unmodified-since", "Sat, 29 Oct 1994 19:43:31 GMT"),
        ("POST", "/v1/receipts", line.clone(), "if-match", "\"1\""),
        ("POST", "/v1/receipts", line, "if-none-match", "*"),
        ("POST", "/v1/items/A/retire", json!({}), "if-none-match", "\"1\""),
    ] {
        let refused = command.send_with(method, path, &[(header, value)], &body).await;
        let problem = refused.expect_problem(422, "validation_failed");
        let pointer = pointers(&problem).concat().to_lowercase();
        assert_eq!(pointer, format!("/{header}"), "{problem}");
    }
}
