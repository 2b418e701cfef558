//! A request repeated with its key has one effect and gets the same bytes.

use std::sync::Arc;

use futures::future::join_all;
use integration_tests::{Answer, Api, Stockbook, World, each, lines_at_main};
use serde_json::json;

trials! {
    the_same_request_twice_has_one_effect_and_the_same_bytes,
    a_refusal_is_replayed_even_when_it_would_now_succeed,
    a_key_used_for_another_request_is_refused,
    one_key_at_two_instances_at_once_has_one_effect,
}

/// Sends lines at MAIN under a key.
pub(crate) async fn keyed(api: &Api, path: &str, key: &str, lines: &[(&str, i64)]) -> Answer {
    api.keyed(path, key, &lines_at_main(lines)).await
}

async fn the_same_request_twice_has_one_effect_and_the_same_bytes(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    // Several lanes, so that the answer has to be put together again from them.
    let skus = ["A", "B", "C", "D", "E", "F"];
    stockbook.register(&skus).await;
    let mut lines = each(&skus, 5);
    lines.reverse();
    let first = keyed(&stockbook.command(), "/v1/receipts", "k1", &lines).await.expect_status(200);
    assert!(!first.is_replayed());
    let recorded = stockbook.recorded().await;

    stockbook.crash().await;
    let again = keyed(&stockbook.command(), "/v1/receipts", "k1", &lines).await.expect_status(200);
    assert!(again.is_replayed());
    assert_eq!(again.body, first.body);
    assert_eq!(again.position(), first.position());
    assert_eq!(stockbook.recorded().await, recorded);
}

async fn a_refusal_is_replayed_even_when_it_would_now_succeed(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let refused = keyed(&command, "/v1/issues", "k1", &[("A", 5)]).await;
    refused.clone().expect_problem(409, "insufficient_stock");
    stockbook.receive(&[("A", 5)]).await;
    let again = keyed(&command, "/v1/issues", "k1", &[("A", 5)]).await;
    assert!(again.is_replayed());
    assert_eq!((again.status, &again.body), (refused.status, &refused.body));
    keyed(&command, "/v1/issues", "k2", &[("A", 5)]).await.expect_status(200);
}

async fn a_key_used_for_another_request_is_refused(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    keyed(&command, "/v1/receipts", "k1", &[("A", 5)]).await.expect_status(200);
    let recorded = stockbook.recorded().await;
    let other_body = keyed(&command, "/v1/receipts", "k1", &[("A", 6)]).await;
    other_body.expect_problem(422, "idempotency_key_reused");
    let other_route = keyed(&command, "/v1/issues", "k1", &[("A", 5)]).await;
    other_route.expect_problem(422, "idempotency_key_reused");
    // What was refused before it was decided leaves the key free.
    keyed(&command, "/v1/receipts", "k2", &[("A", 0)])
        .await
        .expect_problem(422, "validation_failed");
    let mut early = lines_at_main(&[("A", 1)]);
    early["occurred_at"] = json!("1969-12-31T23:59:59Z");
    let early = command.keyed("/v1/receipts", "k2", &early);
    early.await.expect_problem(422, "occurred_at_out_of_range");
    assert_eq!(stockbook.recorded().await, recorded);
    keyed(&command, "/v1/receipts", "k2", &[("A", 1)]).await.expect_status(200);
}

async fn one_key_at_two_instances_at_once_has_one_effect(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A", "B"]).await;
    let instances = stockbook.instances();
    let recorded = stockbook.recorded().await;
    for round in 0..20 {
        let key = format!("k{round}");
        let calls = (0..16).map(|call| {
            // Another body under the same key lies in another lane, and must lose all the same.
            let sku = if call % 4 == 3 { "B" } else { "A" };
            let (api, key) = (&instances[call % 2], key.as_str());
            async move { (sku, keyed(api, "/v1/receipts", key, &[(sku, 1)]).await) }
        });
        let answers = join_all(calls).await;
        let executed = answers.iter().filter(|(_, a)| a.status == 200 && !a.is_replayed());
        let executed: Vec<&(&str, Answer)> = executed.collect();
        assert_eq!(executed.len(), 1, "round {round}");
        let (sku, first) = executed[0];
        for (other, answer) in &answers {
            if other == sku {
                assert_eq!((answer.status, &answer.body), (200, &first.body), "round {round}");
            } else {
                assert_eq!(answer.status, 422, "round {round}: {}", answer.body);
            }
        }
    }
    assert_eq!(stockbook.recorded().await, recorded + 20);
}
