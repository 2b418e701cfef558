//! Jobs that reverse a window: dry runs, keys, and which instance continues a job.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use integration_tests::{Api, Stockbook, World, eventually, lines_at_main, reservation, stop};
use serde_json::{Value, json};

trials! {
    a_dry_run_reports_what_the_job_then_does_refusals_included,
    a_key_starts_one_job_and_no_other,
    another_instance_continues_when_one_is_paused,
    an_event_that_cannot_be_read_is_refused_and_the_job_ends,
}

/// All that there is, by the time it was recorded.
pub(crate) fn everything() -> Value {
    let (from, to) = ("1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z");
    json!({"window": {"by": "recorded_at", "from": from, "to": to}, "reason": "drill"})
}

/// Waits until a job is done, and returns its result.
pub(crate) async fn done(api: &Api, id: &Value) -> Value {
    super::reversal_windows::done(api, &format!("/v1/reversals/{}", id.as_str().expect("an id")))
        .await
}

/// What was refused, and why.
fn refused(progress: &Value) -> BTreeSet<String> {
    let refusals = progress["refusals"].as_array().expect("refusals").iter();
    let text = |one: &Value| format!("{} {}", one["correlation_id"], one["problem"]["detail"]);
    refusals.map(text).collect()
}

async fn a_dry_run_reports_what_the_job_then_does_refusals_included(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    let skus = ["A", "B", "C", "D", "E", "F"];
    stockbook.register(&skus).await;
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    for nth in 0..60 {
        let (one, other) = (skus[nth % 6], skus[(nth * 5 + 1) % 6]);
        let quantity = 1 + i64::try_from(nth * 7 % 5).expect("a small number");
        let moved = json!({"sku": one, "from": "MAIN", "to": "WEST", "quantity": quantity});
        let (path, body) = match nth % 3 {
            0 => ("/v1/receipts", lines_at_main(&[(one, 10), (other, 10)])),
            1 => ("/v1/moves", json!({"lines": [moved]})),
            _ => ("/v1/issues", lines_at_main(&[(other, quantity)])),
        };
        // Some find too little; those are no part of the past.
        command.post(path, body).await;
    }
    // Steps of reservations stand in the way of themselves, and what they hold in that of its receipt.
    command.reserve("ann", 3_600, &[("B", 3)]).await;
    let mixed = [("correlation-id", "mixed")];
    command.send_with("POST", "/v1/receipts", &mixed, &lines_at_main(&[("C", 4)])).await;
    let reserved = reservation("bob", 3_600, &[("C", 2)]);
    command.send_with("POST", "/v1/reservations", &mixed, &reserved).await.expect_status(201);

    let before = stockbook.heads().await;
    let mut dry = everything();
    dry["dry_run"] = json!(true);
    let dry = command.done("/v1/reversals", dry).await.json();
    assert_eq!(stockbook.heads().await, before, "a dry run was recorded");
    let started = command.post("/v1/reversals", everything()).await.expect_status(202).json();
    let job = done(&command, &started["reversal_id"]).await;
    for member in ["events", "correlations", "reversed", "refused", "position"] {
        assert_eq!(dry[member], job[member], "{member}: {dry} {job}");
    }
    assert_eq!(refused(&dry), refused(&job));
    assert!(job["refused"].as_i64() > Some(2), "{job}");
    stockbook.verify().await;
}

async fn a_key_starts_one_job_and_no_other(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let (window, receipt) = (everything(), lines_at_main(&[("A", 1)]));
    let key = [("idempotency-key", "for-a-window")];
    let begin = || command.send_with("POST", "/v1/reversals", &key, &window);
    let begun = join_all((0..4).map(|_| begin())).await.into_iter();
    let ids: BTreeSet<String> =
        begun.map(|one| one.expect_status(202).json()["reversal_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let again = begin().await.expect_status(202);
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
    let again = again.json();
    assert_eq!(done(&command, &again["reversal_id"]).await["reversed"], 1);
    assert_eq!(command.figures("A").await.on_hand, 0);

    let mut other = everything();
    other["reason"] = json!("another");
    let other = command.send_with("POST", "/v1/reversals", &key, &other).await;
    other.expect_problem(422, "idempotency_key_reused");
    let other = command.send_with("POST", "/v1/receipts", &key, &receipt).await;
    other.expect_problem(422, "idempotency_key_reused");
    let key = [("idempotency-key", "for-a-receipt")];
    command.send_with("POST", "/v1/receipts", &key, &receipt).await.expect_status(200);
    let other = command.send_with("POST", "/v1/reversals", &key, &window).await;
    other.expect_problem(422, "idempotency_key_reused");
    stockbook.verify().await;
}

async fn another_instance_continues_when_one_is_paused(world: Arc<World>) {
    const RECEIPTS: i64 = 600;
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A", "B", "C", "D"]).await;
    let command = stockbook.command();
    let skus = ["A", "B", "C", "D"].into_iter().cycle();
    let receipts = (0..RECEIPTS).zip(skus).map(|(_, sku)| {
        let command = command.clone();
        async move { command.post("/v1/receipts", lines_at_main(&[(sku, 1)])).await.status }
    });
    assert!(join_all(receipts).await.iter().all(|status| *status == 200));
    let started = command.post("/v1/reversals", everything()).await.expect_status(202).json();
    let reversed = async || stockbook.count("StockReversed").await;
    eventually("something is taken back", reversed, |seen| *seen > 0).await;
    stockbook.commands[0].process().pause().expect("the service can be paused");
    let when_paused = stockbook.count("StockReversed").await;
    let other = stockbook.instances().remove(1);
    let job = done(&other, &started["reversal_id"]).await;
    println!("paused after {when_paused} of {RECEIPTS}: {job}");
    assert!(when_paused < RECEIPTS, "it was done before it was paused");
    assert_eq!(
        (stockbook.count("StockReversed").await, &job["reversed"]),
        (RECEIPTS, &json!(RECEIPTS))
    );
    stockbook.commands[0].process().resume().expect("the service can be resumed");
    stop(&mut stockbook.commands[0]).await;
    assert_eq!(stockbook.count("StockReversed").await, RECEIPTS, "something was taken back twice");
    stockbook.verify().await;
}

async fn an_event_that_cannot_be_read_is_refused_and_the_job_ends(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.register(&["A", "B"]).await;
    for sku in ["A", "A", "B"] {
        stockbook.receive(&[(sku, 5)]).await;
    }
    let mut log = stockbook.superuser().await;
    sqlx::raw_sql(
        "set session_replication_role = replica;
         update events set type = 'StockVanished' where stream = 'stock/A/MAIN' and version = 2",
    )
    .execute(&mut log)
    .await
    .unwrap();
    stockbook.crash().await;
    let command = stockbook.command();
    let started = command.post("/v1/reversals", everything()).await.expect_status(202).json();
    let job = done(&command, &started["reversal_id"]).await;
    assert_eq!((&job["reversed"], &job["refused"]), (&json!(1), &json!(1)), "{job}");
    let problem = &job["refusals"][0]["problem"];
    assert_eq!(problem["type"], "/problems/not_reversible", "{job}");
    assert!(problem["detail"].as_str().unwrap().contains("cannot read"), "{job}");
    assert_eq!(command.figures("B").await.on_hand, 0);
}
