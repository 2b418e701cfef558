//! Containers that are killed in the middle of the work, one kind after another.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use integration_tests::{Api, Figures, eventually, lines_at_main};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::project::Project;

const CALLERS: usize = 8;

/// What is killed, and whether commands are accepted while it is away: all but the service itself
/// and the database can be missed.
const KILLED: [(&str, bool); 4] =
    [("query-service", true), ("kafka", true), ("command-service", false), ("postgres", false)];

/// How the callers stand.
#[derive(Default)]
struct Tally {
    accepted: AtomicI64,
    done: AtomicBool,
}

pub(crate) async fn no_unit_is_lost_or_counted_twice_whatever_is_killed(project: &Project) {
    let command = project.command();
    command.put("/v1/locations/MAIN", json!({})).await;
    command.put("/v1/items/KILLED", json!({})).await.expect_status(201);
    let tally = Tally::default();
    let callers = join_all((0..CALLERS).map(|caller| receive(&command, caller, &tally)));
    let killing = async {
        for (service, can_be_missed) in KILLED {
            further(&tally, &format!("before {service} is killed")).await;
            project.kill(service).await;
            if can_be_missed {
                further(&tally, &format!("without {service}")).await;
            }
            project.start(service).await;
            project.ready().await;
            further(&tally, &format!("with {service} back")).await;
        }
        tally.done.store(true, Ordering::Relaxed);
    };
    futures::join!(callers, killing);

    let accepted = tally.accepted.into_inner();
    let expected = Figures::new(accepted, 0, 0);
    assert_eq!(command.figures("KILLED").await, expected);
    assert_eq!(Figures::of(&project.read("/v1/stock/KILLED/MAIN").await), expected);
    project.assert_topic_equals_log().await;
    project.compose(&["exec", "-T", "command-service", "command-service", "verify"]).await;
}

/// Receives one unit after another, each until it is accepted, with one key however often it is asked.
async fn receive(command: &Api, caller: usize, tally: &Tally) {
    let body = lines_at_main(&[("KILLED", 1)]).to_string().into_bytes();
    let mut turn = 0;
    while !tally.done.load(Ordering::Relaxed) {
        let key = format!("restarts-{caller}-{turn}");
        let headers = [("content-type", "application/json"), ("idempotency-key", &key)];
        loop {
            let sent = Some(body.clone());
            match command.try_send(Method::POST, "/v1/receipts", &headers, sent).await {
                Ok(answer) if answer.status == 200 => break,
                Ok(answer) => assert!(matches!(answer.status, 409 | 503), "{answer:?}"),
                Err(_) => {}
            }
            sleep(Duration::from_millis(100)).await;
        }
        tally.accepted.fetch_add(1, Ordering::Relaxed);
        turn += 1;
    }
}

/// Waits until a hundred more are accepted.
async fn further(tally: &Tally, when: &str) {
    let accepted = || tally.accepted.load(Ordering::Relaxed);
    let goal = accepted() + 100;
    eventually(when, async || accepted(), |seen| *seen >= goal).await;
}
