//! Outcomes of several commands in, one response out.

use serde_json::Value;

use super::*;
use crate::http::answer::batch::{independent, together};
use crate::log::submission::{NotExecuted, Verdict};

async fn shown(response: Response) -> Value {
    assert_eq!(response.status(), StatusCode::OK);
    serde_json::from_str(&body(response).await).expect("JSON")
}

fn location() -> Event {
    let details = json!({"code": "MAIN", "name": "MAIN"}).to_string();
    Event::from_json("LocationRegistered", 1, &details).expect("an event")
}

fn unchanged() -> Unchanged {
    Unchanged {
        position: "7:88".parse().expect("a token"),
        recorded_at: "2026-11-20T10:00:00Z".parse().expect("a time"),
        correlation_id: id(),
        reservation: None,
    }
}

fn statuses(results: &Value) -> Vec<u64> {
    let results = results.as_array().expect("a list").iter();
    results.map(|result| result["status"].as_u64().expect("a status")).collect()
}

#[tokio::test]
async fn each_command_of_an_independent_batch_is_answered_as_if_it_were_alone() {
    let created = Decision::Accepted(vec![recorded(9, "location/MAIN", 1, &location())]);
    let outcomes = vec![
        Outcome::Decided(created),
        Outcome::Decided(Decision::Rejected(Rejection::StaleQuantity { expected: 3, actual: 10 })),
        Outcome::Replayed(Decision::Unchanged(unchanged())),
        Outcome::KeyReused,
        Outcome::NotExecuted(NotExecuted::DeadlinePassed),
    ];
    let mut alone = Vec::new();
    for outcome in outcomes.clone() {
        let text = body(render(outcome, &id())).await;
        alone.push(serde_json::from_str::<Value>(&text).expect("JSON"));
    }
    let response = independent(outcomes.into_iter().map(Ok).collect(), &id());
    assert_eq!(response.headers()[STOCK_POSITION], "3:9,7:88");
    let mut shown = shown(response).await;
    assert_eq!(shown["position"], "3:9,7:88");
    assert_eq!(statuses(&shown["results"]), [201, 409, 200, 422, 503]);
    let results = shown["results"].as_array_mut().expect("a list");
    for (index, (result, expected)) in results.iter_mut().zip(alone).enumerate() {
        assert_eq!(result["index"], index);
        // Only an internal failure has a separate id.
        assert_eq!(result["body"], expected);
    }
}

#[tokio::test]
async fn a_batch_of_which_nothing_was_accepted_has_no_position() {
    let response = independent(vec![Ok(Outcome::KeyReused)], &id());
    assert!(!response.headers().contains_key(STOCK_POSITION));
    assert!(shown(response).await.get("position").is_none());
}

#[tokio::test]
async fn an_atomic_batch_is_one_recording_divided_among_its_commands() {
    let decision = Decision::AcceptedTogether {
        events: vec![
            recorded(7, "location/MAIN", 1, &location()),
            recorded(8, "stock/B/MAIN", 1, &received("B", 5)),
            recorded(9, "stock/B/MAIN", 2, &received("B", 6)),
        ],
        sizes: vec![1, 0, 2],
    };
    let first = together(Outcome::Decided(decision.clone()), 3, &id());
    assert_eq!(first.headers()[STOCK_POSITION], "3:9");
    let again = together(Outcome::Replayed(decision), 3, &"c-3".parse().expect("a label"));
    assert_eq!(again.headers()[IDEMPOTENCY_REPLAYED], "true");
    let first = body(first).await;
    assert_eq!(first, body(again).await);
    let shown: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(statuses(&shown["results"]), [201, 200, 200]);
    for result in shown["results"].as_array().expect("a list") {
        assert_eq!(result["body"]["position"], "3:9");
        assert_eq!(result["body"]["correlation_id"], "c-1");
    }
    assert_eq!(shown["results"][1]["body"]["events"], json!([]));
    assert_eq!(shown["results"][2]["body"]["figures"][0]["on_hand"], 6);
}

#[tokio::test]
async fn an_atomic_batch_that_changes_nothing_says_so_for_each_command() {
    let decided = Outcome::Decided(Decision::Unchanged(unchanged()));
    let shown = shown(together(decided, 2, &id())).await;
    assert_eq!(shown["position"], "7:88");
    assert_eq!(statuses(&shown["results"]), [200, 200]);
    assert_eq!(shown["results"][1]["body"]["events"], json!([]));
}

#[tokio::test]
async fn a_refused_batch_says_of_each_command_how_it_would_have_ended() {
    let decision = Decision::RefusedTogether(vec![
        Verdict::Possible(vec![location()]),
        Verdict::Refused(Rejection::StaleQuantity { expected: 3, actual: 10 }),
    ]);
    let first = together(Outcome::Decided(decision.clone()), 2, &id());
    assert_eq!(first.status(), StatusCode::CONFLICT);
    assert!(!first.headers().contains_key(STOCK_POSITION));
    let again = together(Outcome::Replayed(decision), 2, &"c-3".parse().expect("a label"));
    let first = body(first).await;
    assert_eq!(first, body(again).await);
    let problem: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!(problem["type"], "/problems/batch_refused");
    assert_eq!(statuses(&problem["results"]), [201, 409]);
    let possible = json!({
        "events": [{"stream": "location/MAIN", "type": "LocationRegistered"}], "figures": [],
    });
    assert_eq!(problem["results"][0]["body"], possible);
    let refused = &problem["results"][1]["body"];
    assert_eq!(refused["type"], "/problems/stale_quantity");
    assert_eq!(refused["actual"], 10);
}

#[tokio::test]
async fn an_atomic_batch_that_is_only_validated_has_no_place_in_the_log() {
    let valid = Outcome::ValidTogether(vec![vec![location()], vec![received("A", 9)]]);
    let response = together(valid, 2, &id());
    assert!(!response.headers().contains_key(STOCK_POSITION));
    let shown = shown(response).await;
    assert!(shown.get("position").is_none());
    assert_eq!(statuses(&shown["results"]), [200, 200]);
    assert_eq!(shown["results"][1]["body"]["correlation_id"], "c-2");
}

#[tokio::test]
async fn a_batch_that_was_not_decided_is_answered_with_one_problem() {
    let response = together(Outcome::KeyReused, 2, &id());
    assert_eq!(response.status(), StatusCode::UNPROCESSABLE_ENTITY);
}
