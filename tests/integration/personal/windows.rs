//! The reversal of a window may come with personal data: every event of it has the box that was sealed when it
//! was asked for.

use std::sync::Arc;

use futures::future::join_all;
use integration_tests::{Stockbook, World, eventually, lines_at_main};
use serde_json::{Value, json};

use super::forgetting::{forget, lines_of};
use super::{keeping, keys_of, with_person};
use crate::redaction::redact;
use crate::reversal_jobs::{done, everything};

trials! {
    the_events_of_a_reversed_window_have_its_personal_data,
    a_subject_forgotten_while_a_window_is_reversed_gets_no_new_key,
}

fn everything_for(subject: &str) -> Value {
    let mut body = everything();
    body["personal"] = json!({"subject": subject, "data": {"name": "Mrs Miller"}});
    body
}

/// The requests of jobs, as they are stored.
async fn stored(stockbook: &Stockbook) -> String {
    let requests = "select string_agg(request::text, ' ') from reversal_jobs";
    sqlx::query_scalar(requests).fetch_one(&mut stockbook.superuser().await).await.unwrap()
}

async fn the_events_of_a_reversed_window_have_its_personal_data(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 5)]).await;
    for _ in 0..3 {
        command.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    }
    // 1. Nothing that records nothing makes a key.
    let mut dry = everything_for("dry");
    dry["dry_run"] = json!(true);
    command.done("/v1/reversals", dry).await;
    command.keyed("/v1/receipts", "used", &lines_at_main(&[("A", 1)])).await.expect_status(200);
    let used = command.keyed("/v1/reversals", "used", &everything_for("refused")).await;
    used.expect_problem(422, "idempotency_key_reused");

    // 2. Each event has the box, and a repeated request makes no other.
    let body = everything_for("c-81");
    let begun = command.keyed("/v1/reversals", "window", &body).await.expect_status(202).json();
    let reversed = done(&command, &begun["reversal_id"]).await;
    assert_eq!((&reversed["reversed"], &reversed["refused"]), (&json!(5), &json!(0)), "{reversed}");
    let again = command.keyed("/v1/reversals", "window", &body).await.expect_status(202);
    assert_eq!(again.header("idempotency-replayed"), Some("true"), "{again:?}");
    let other = command.keyed("/v1/reversals", "window", &everything_for("refused")).await;
    other.expect_problem(422, "idempotency_key_reused");
    let lines = lines_of(&command, "c-81").await;
    assert_eq!(lines.len(), 5, "{lines:?}");
    for line in &lines {
        assert_eq!(line["type"], "StockReversed", "{line}");
        assert_eq!(line["personal"]["data"]["name"], "Mrs Miller", "{line}");
    }
    for (subject, keys) in [("dry", 0), ("refused", 0), ("c-81", 1)] {
        assert_eq!(keys_of(&stockbook, subject).await, keys, "{subject}");
    }

    // 3. A redaction reaches the job.
    let before = stored(&stockbook).await;
    assert!(before.contains("sealed") && !before.contains("Miller"), "{before}");
    let id = lines[0]["id"].as_str().unwrap().to_owned();
    redact(&command, &[id], &["personal"]).await.expect_status(200);
    let after = stored(&stockbook).await;
    assert!(!after.contains("sealed") && after.contains("drill"), "{after}");
    stockbook.verify().await;
}

async fn a_subject_forgotten_while_a_window_is_reversed_gets_no_new_key(world: Arc<World>) {
    const RECEIPTS: i64 = 600;
    let (stockbook, command) = keeping(&world, &[("A", 1)]).await;
    let receipts = (0..RECEIPTS).map(|_| command.post("/v1/receipts", with_person("c-1", "x")));
    assert!(join_all(receipts).await.iter().all(|answer| answer.status == 200));
    let begun = command.post("/v1/reversals", everything_for("c-81")).await.expect_status(202);
    let reversed = async || stockbook.count("StockReversed").await;
    eventually("something is reversed", reversed, |seen| *seen > 0).await;
    forget(&command, "c-81", &[]).await.expect_status(200);
    let then = reversed().await;
    assert!(then < RECEIPTS, "the window was reversed before its subject was forgotten");
    done(&command, &begun.json()["reversal_id"]).await;
    assert_eq!(reversed().await, RECEIPTS + 1);
    let lines = lines_of(&command, "c-81").await;
    assert!(lines.iter().all(|line| line["personal"]["forgotten"] == true), "{lines:?}");
    assert_eq!(lines.len() as i64, RECEIPTS + 1);
    assert_eq!(keys_of(&stockbook, "c-81").await, 1);
    stockbook.verify().await;
}
