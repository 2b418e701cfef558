//! Who asked stands in every event of a request, and nobody can change it unseen.

use std::sync::Arc;

use integration_tests::{Stockbook, World, eventually, lines_at_main, stop};
use serde_json::{Value, json};
use shared_events::recorded::RecordedEvent;

use super::{ALL, known};
use crate::integrity::assert_ok;
use crate::log::tamper;
use crate::relay::assert_topic_equals_log;

trials! {
    events_say_who_asked_and_no_change_of_it_goes_unseen,
    a_reversal_of_a_window_is_in_the_name_of_who_asked_for_it,
}

/// The callers of a stream's events.
fn callers(events: &[RecordedEvent]) -> Vec<Option<&str>> {
    events.iter().map(|event| event.caller.as_ref().map(|caller| caller.as_str())).collect()
}

async fn events_say_who_asked_and_no_change_of_it_goes_unseen(world: Arc<World>) {
    // 1. A log of before, on which callers then have to sign in.
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.add_command_service(&[]).await;
    stockbook.stock(&[("A", 5)]).await;
    assert_topic_equals_log(&stockbook).await;
    let before = stockbook.log().await;
    assert!(before.iter().all(|event| event.caller.is_none() && event.chain_version() == 1));
    let admin = stockbook.api_key(&["--name", "admin", "--scope", ALL]).await;
    stop(&mut stockbook.commands.remove(0)).await;
    stockbook.add_command_service(&[("AUTH", "on")]).await;
    let reader = ["--name", "query-service", "--scope", "log:read", "operate"];
    let reader = stockbook.api_key(&reader).await;
    stockbook.add_query_service(&[("AUTH", "on"), ("COMMAND_KEY", &reader)]).await;
    let command = stockbook.command().signed_in(&admin);
    known(&command).await;

    // 2. Whatever is asked for has the caller, also in the name of somebody else.
    let receipt = lines_at_main(&[("A", 1)]);
    command.done("/v1/receipts", receipt.clone()).await;
    command.keyed("/v1/receipts", "k", &receipt).await.expect_status(200);
    let boss = [("actor", "boss")];
    command.send_with("POST", "/v1/receipts", &boss, &receipt).await.expect_status(200);
    let mut one = receipt;
    one["type"] = json!("receive_stock");
    let batch = json!({"mode": "atomic", "commands": [one, one]});
    command.done("/v1/batches", batch).await;
    let events = command.stream("stock/A/MAIN").await;
    let caller = format!("key/{}", admin.split('_').nth(1).unwrap());
    let all = [None].into_iter().chain([Some(caller.as_str()); 5]);
    assert_eq!(callers(&events), all.collect::<Vec<_>>());
    assert_eq!(events[3].actor.as_ref().unwrap().as_str(), "boss");
    let line = command.get("/v1/streams/stock/A/MAIN/events").await.body;
    let lines: Vec<Value> =
        line.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    assert_eq!((&lines[0]["caller"], &lines[0]["chain_version"]), (&Value::Null, &Value::Null));
    assert_eq!((&lines[1]["caller"], &lines[1]["chain_version"]), (&json!(caller), &json!(2)));

    // 3. The old part of the log is as it was, and the whole is consistent everywhere.
    let stockbook = stockbook.signed_in(&admin);
    let after = stockbook.log().await;
    for event in &before {
        let now = after.iter().find(|one| one.id() == event.id()).expect("it is there");
        assert_eq!(serde_json::to_string(now).unwrap(), serde_json::to_string(event).unwrap());
    }
    assert_topic_equals_log(&stockbook).await;
    stockbook.verify().await;
    let integrity = async || stockbook.query().json("/v1/integrity").await;
    let recorded = after.len();
    eventually("all is checked", integrity, |report| report["checked"] == recorded).await;
    assert_ok(&integrity().await);

    // 4. A caller that is put in another place is found.
    let of = |version: u8| format!("stream = 'stock/A/MAIN' and version = {version}");
    let set =
        |to: &str, version| format!("update events set credential = {to} where {}", of(version));
    let back = format!("'{caller}'");
    for (to, version, back) in
        [("'key/mallory'", 2, &*back), ("null", 2, &*back), ("'key/mallory'", 1, "null")]
    {
        tamper(&stockbook, &set(to, version)).await;
        let said = stockbook.difference().await.expect("it is found");
        assert!(said.contains("stream stock/A/MAIN, chain: expected"), "{said}");
        let report = integrity().await;
        assert_eq!(report["first_difference"]["what"], "chain", "{report}");
        tamper(&stockbook, &set(back, version)).await;
        stockbook.verify().await;
    }
}

async fn a_reversal_of_a_window_is_in_the_name_of_who_asked_for_it(world: Arc<World>) {
    let mut stockbook = Stockbook::prepare(&world, 4).await;
    stockbook.add_command_service(&[]).await;
    stockbook.stock(&[("A", 5)]).await;
    let admin = stockbook.api_key(&["--name", "admin", "--scope", ALL]).await;
    stockbook.add_command_service(&[("AUTH", "on")]).await;
    let command = stockbook.instances()[1].signed_in(&admin);
    known(&command).await;
    let window =
        json!({"by": "recorded_at", "from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"});
    let body = json!({"window": window, "reason": "mistake"});
    let begun = command.post("/v1/reversals", body).await.expect_status(202).json();
    let path = format!("/v1/reversals/{}", begun["reversal_id"].as_str().unwrap());
    let progress = async || command.json(&path).await;
    eventually("the window is reversed", progress, |now| now["status"] == "done").await;
    let events = command.stream("stock/A/MAIN").await;
    let caller = format!("key/{}", admin.split('_').nth(1).unwrap());
    assert_eq!(callers(&events), [None, Some(caller.as_str())]);
    stockbook.verify().await;
}
