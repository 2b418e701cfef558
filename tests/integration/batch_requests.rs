//! What a batch may look like, and how large it may be.

use std::sync::Arc;

use integration_tests::{Stockbook, World, pointers};
use reqwest::Method;
use serde_json::json;

use super::batches::{batch, issue, keyed, receive, results, send};

trials! {
    an_invalid_batch_gets_all_its_faults,
    a_malformed_command_of_an_independent_batch_is_refused_alone,
    a_batch_has_a_thousand_commands_at_most,
    a_strict_service_requires_the_keys_of_a_batch,
}

async fn an_invalid_batch_gets_all_its_faults(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let before = stockbook.heads().await;
    let mut colourful = issue("A", 1);
    colourful["colour"] = json!(1);
    for (batch, expected) in [
        (json!({"commands": [receive("A", 1)]}), vec!["/mode"]),
        (batch("some", json!([])), vec!["/commands", "/mode"]),
        (
            batch("atomic", json!([receive("A", 0), {"type": "make_tea"}, 7, {}, colourful])),
            vec![
                "/commands/0/lines/0/quantity",
                "/commands/1/type",
                "/commands/2",
                "/commands/3/type",
                "/commands/4/colour",
            ],
        ),
        (
            batch("atomic", json!([keyed("k", receive("A", 1))])),
            vec!["/commands/0/idempotency_key"],
        ),
        (batch("atomic", json!([{"type": "confirm_reservation"}])), vec!["/commands/0/id"]),
        (
            batch("atomic", json!([{"type": "register_item", "sku": "no spaces"}])),
            vec!["/commands/0/sku"],
        ),
    ] {
        let problem = command.refused("/v1/batches", batch, 422, "validation_failed").await;
        assert_eq!(pointers(&problem), expected, "{problem}");
    }
    assert_eq!(stockbook.heads().await, before, "a refused batch was recorded");
}

async fn a_malformed_command_of_an_independent_batch_is_refused_alone(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let before = stockbook.recorded().await;
    let commands = json!([
        receive("A", 1),
        receive("A", 0),
        7,
        {"type": "make_tea"},
        keyed("k", receive("A", 0)),
        {"type": "confirm_reservation"},
        receive("A", 1),
    ]);
    let answer = send(&command, "independent", commands).await.expect_status(200).json();
    let refused = ["422 validation_failed"; 5].join(", ");
    assert_eq!(results(&answer), format!("200, {refused}, 200"), "{answer}");
    let pointers: Vec<Vec<&str>> =
        (1..6).map(|nth| pointers(&answer["results"][nth]["body"])).collect();
    assert_eq!(pointers.concat(), ["/lines/0/quantity", "", "/type", "/lines/0/quantity", "/id"]);
    assert_eq!(stockbook.recorded().await, before + 2);
    let good = json!([keyed("k", receive("A", 1))]);
    let answer = send(&command, "independent", good).await.expect_status(200).json();
    assert_eq!(results(&answer), "200", "a malformed command used up its key: {answer}");
}

async fn a_batch_has_a_thousand_commands_at_most(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let many = json!(vec![receive("A", 1); 1_001]);
    let many = send(&command, "atomic", many).await.expect_problem(413, "batch_too_large");
    assert_eq!(many["limit"], 1_000, "{many}");
    let json_type = [("content-type", "application/json")];
    let large = Some(vec![b' '; (8 << 20) + 1]);
    let large = command.try_send(Method::POST, "/v1/batches", &json_type, large).await.unwrap();
    assert_eq!(large.expect_problem(413, "body_too_large")["limit"], 8 << 20);

    let before = stockbook.recorded().await;
    for mode in ["atomic", "independent"] {
        let most = json!(vec![receive("A", 1); 1_000]);
        let most = send(&command, mode, most).await.expect_status(200).json();
        assert_eq!(results(&most), ["200"; 1_000].join(", "), "{mode}");
    }
    assert_eq!(stockbook.recorded().await, before + 2_000);
    // Larger than the body of a command by itself may be.
    let mut spaced = batch("atomic", json!([receive("A", 1)])).to_string().into_bytes();
    spaced.resize(8 << 20, b' ');
    let spaced = command.try_send(Method::POST, "/v1/batches", &json_type, Some(spaced)).await;
    spaced.unwrap().expect_status(200);
}

async fn a_strict_service_requires_the_keys_of_a_batch(world: Arc<World>) {
    let (mut stockbook, _) = Stockbook::without_views(&world, 4).await;
    stockbook.add_command_service(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]).await;
    let strict = stockbook.instances().remove(1);
    let one = json!([receive("A", 1)]);
    send(&strict, "atomic", one.clone()).await.expect_problem(400, "idempotency_key_missing");
    send(&strict, "independent", one).await.expect_problem(400, "idempotency_key_missing");
    let keys = json!([keyed("s1", receive("A", 1)), keyed("s2", receive("A", 1))]);
    let keys = send(&strict, "independent", keys).await.expect_status(200).json();
    assert_eq!(results(&keys), "200, 200", "{keys}");
    let body = batch("atomic", json!([receive("A", 1)]));
    strict.keyed("/v1/batches", "s3", &body).await.expect_status(200);
}
