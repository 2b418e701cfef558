//! A person is forgotten with the key: at once, everywhere, and once in the log.

use std::sync::Arc;

use integration_tests::{Answer, Api, Stockbook, World, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use super::{event_of, keeping, keys_of, with_person};
use crate::integrity::assert_ok;
use crate::relay::assert_topic_equals_log;

trials! {
    a_person_is_forgotten_everywhere_and_known_again_by_a_new_key,
    no_instance_seals_with_a_key_whose_deletion_was_answered,
    a_repeated_request_forgets_nothing_and_makes_no_key,
    a_deletion_that_was_not_recorded_is_recorded_once,
    the_master_key_is_replaced_while_services_run,
}

pub(crate) async fn forget(api: &Api, subject: &str, headers: &[(&str, &str)]) -> Answer {
    let path = format!("/v1/subjects/{subject}");
    api.try_send(Method::DELETE, &path, headers, None).await.expect("the service answers")
}

/// The lines of a subject's events.
pub(crate) async fn lines_of(api: &Api, subject: &str) -> Vec<Value> {
    let list = api.get(&format!("/v1/subjects/{subject}/events")).await.expect_status(200);
    list.body.lines().map(|line| serde_json::from_str(line).expect("an event")).collect()
}

async fn a_person_is_forgotten_everywhere_and_known_again_by_a_new_key(world: Arc<World>) {
    let (mut stockbook, command) = keeping(&world, &[("A", 5)]).await;
    stockbook.add_command_service(&[]).await;
    let other = stockbook.instances()[1].clone();
    command.get("/v1/subjects/c-81").await.expect_problem(404, "not_found");
    command.get("/v1/subjects/c-81/events").await.expect_problem(404, "not_found");
    let mut ids = Vec::new();
    for api in [&command, &other] {
        let done = api.done("/v1/receipts", with_person("c-81", "Mrs Miller")).await;
        ids.push(event_of(&done.json()));
    }
    let known = command.json("/v1/subjects/c-81").await;
    assert_eq!((&known["events"], &known["forgotten_at"]), (&json!(2), &Value::Null), "{known}");
    let lines = lines_of(&command, "c-81").await;
    assert!(lines.iter().all(|line| line["personal"]["data"]["name"] == "Mrs Miller"), "{lines:?}");
    let first = other.get("/v1/subjects/c-81/events?limit=1").await;
    let next = first.header("next-position").expect("there is more").to_owned();
    let rest = other.get(&format!("/v1/subjects/c-81/events?after={next}")).await;
    assert_eq!((first.body.lines().count(), rest.body.lines().count()), (1, 1));

    let dry = command
        .try_send(Method::DELETE, "/v1/subjects/c-81?validate_only=true", &[], None)
        .await
        .unwrap()
        .expect_status(200)
        .json();
    assert_eq!(dry["events"][0]["type"], "SubjectForgotten", "{dry}");
    command.json(&format!("/v1/events/{}/personal", ids[0])).await;
    let forgotten = forget(&command, "c-81", &[]).await.expect_status(200);
    assert!(forgotten.header("stock-position").is_some());
    let forgotten = forgotten.json();
    assert_eq!(forgotten["events"][0]["type"], "SubjectForgotten", "{forgotten}");
    assert_eq!(forgotten["events"][0]["stream"], "subject/c-81", "{forgotten}");
    let again = forget(&other, "c-81", &[]).await.expect_status(200).json();
    assert_eq!(again["events"], json!([]), "{again}");
    for api in [&command, &other] {
        for id in &ids {
            let opened = api.get(&format!("/v1/events/{id}/personal")).await;
            opened.expect_problem(410, "forgotten");
        }
    }
    let known = command.json("/v1/subjects/c-81").await;
    assert!(known["forgotten_at"].is_string() && known["events"] == 2, "{known}");
    let recorded = command.stream("subject/c-81").await;
    assert!(recorded.len() == 1 && recorded[0].personal.is_none());

    // The other instance sealed with the key that is not there any more.
    let new = event_of(&other.done("/v1/receipts", with_person("c-81", "Mrs M")).await.json());
    let opened = command.json(&format!("/v1/events/{new}/personal")).await;
    assert_eq!(opened["data"]["name"], "Mrs M");
    let lines = lines_of(&command, "c-81").await;
    let shown: Vec<_> = lines.iter().map(|line| line["personal"]["forgotten"] == true).collect();
    assert_eq!(shown, [true, true, false]);
    assert_eq!(command.json("/v1/subjects/c-81").await["forgotten_at"], Value::Null);
    assert_eq!(keys_of(&stockbook, "c-81").await, 2);
    stockbook.crash().await;
    let command = stockbook.command();
    command.get(&format!("/v1/events/{}/personal", ids[0])).await.expect_problem(410, "forgotten");
    command.json(&format!("/v1/events/{new}/personal")).await;
    assert_topic_equals_log(&stockbook).await;
    stockbook.verify().await;
    assert_ok(&stockbook.read_at("/v1/integrity", &stockbook.heads().await).await.json());
}

async fn no_instance_seals_with_a_key_whose_deletion_was_answered(world: Arc<World>) {
    let (mut stockbook, command) = keeping(&world, &[("A", 5)]).await;
    stockbook.add_command_service(&[]).await;
    let other = stockbook.instances()[1].clone();
    for round in 0..10 {
        let name = format!("Name {round}");
        let before = event_of(&other.done("/v1/receipts", with_person("c-81", &name)).await.json());
        let forgotten = forget(&command, "c-81", &[]).await.expect_status(200).json();
        let recorded = &forgotten["events"][0]["type"];
        assert_eq!(recorded, "SubjectForgotten", "round {round}, by the request: {forgotten}");
        let after = event_of(&other.done("/v1/receipts", with_person("c-81", &name)).await.json());
        let lost = command.get(&format!("/v1/events/{before}/personal")).await;
        lost.expect_problem(410, "forgotten");
        let opened = command.json(&format!("/v1/events/{after}/personal")).await;
        assert_eq!(opened["data"]["name"], name, "round {round}");
    }
    assert_eq!(keys_of(&stockbook, "c-81").await, 11);
}

async fn a_repeated_request_forgets_nothing_and_makes_no_key(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 5)]).await;
    let body = with_person("c-81", "Mrs Miller");
    let first = command.keyed("/v1/receipts", "k", &body).await.expect_status(200);
    let key = [("idempotency-key", "forget-1")];
    let forgotten = forget(&command, "c-81", &key).await.expect_status(200);
    let again = command.keyed("/v1/receipts", "k", &body).await.expect_status(200);
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(keys_of(&stockbook, "c-81").await, 1);
    let reused = command.keyed("/v1/receipts", "k", &with_person("c-81", "Mr Miller")).await;
    reused.expect_problem(422, "idempotency_key_reused");
    assert_eq!(keys_of(&stockbook, "c-81").await, 1);
    // Known again: the repeated deletion is the one of before.
    let new = event_of(&command.done("/v1/receipts", body).await.json());
    let repeated = forget(&command, "c-81", &key).await.expect_status(200);
    assert_eq!(repeated.body, forgotten.body);
    command.json(&format!("/v1/events/{new}/personal")).await;
    assert_eq!(stockbook.count("SubjectForgotten").await, 1);
    // Hashes are keyed: nobody finds a request by the plain hash of its body.
    let lengths: Vec<i32> = sqlx::query_scalar(
        "select length(request_hash) from events where request_hash is not null",
    )
    .fetch_all(&mut stockbook.superuser().await)
    .await
    .unwrap();
    assert!(!lengths.is_empty() && lengths.iter().all(|length| *length == 33), "{lengths:?}");
    stockbook.verify().await;
}

/// Waits until the log knows of every deleted key.
async fn nothing_is_left(stockbook: &Stockbook) {
    let open =
        "select count(*) from subject_keys where forgotten_at is not null and not is_recorded";
    let left = async || -> i64 {
        let mut keys = stockbook.keys_superuser().await;
        sqlx::query_scalar(open).fetch_one(&mut keys).await.unwrap()
    };
    eventually("nothing is left to do", left, |left| *left == 0).await;
}

async fn a_deletion_that_was_not_recorded_is_recorded_once(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 5)]).await;
    let id = event_of(&command.done("/v1/receipts", with_person("c-81", "x")).await.json());
    // As a service leaves it that ends right after the deletion.
    let mut keys = stockbook.keys_superuser().await;
    let deleted = "update subject_keys set sealed = null, forgotten_at = now()";
    sqlx::raw_sql(deleted).execute(&mut keys).await.unwrap();
    let recorded = async || stockbook.count("SubjectForgotten").await;
    eventually("the deletion is recorded", recorded, |count| *count == 1).await;
    nothing_is_left(&stockbook).await;
    // As if it had not been noted: the log takes each key once.
    let forgot = "update subject_keys set is_recorded = false";
    sqlx::raw_sql(forgot).execute(&mut keys).await.unwrap();
    nothing_is_left(&stockbook).await;
    let again = forget(&command, "c-81", &[]).await.expect_status(200).json();
    assert_eq!(again["events"], json!([]));
    assert_eq!(stockbook.count("SubjectForgotten").await, 1);
    command.get(&format!("/v1/events/{id}/personal")).await.expect_problem(410, "forgotten");
}

async fn the_master_key_is_replaced_while_services_run(world: Arc<World>) {
    let (mut stockbook, command) = keeping(&world, &[("A", 5)]).await;
    let path = stockbook.personal.as_ref().unwrap().master_key.clone();
    let ids_of = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    let before = std::fs::read_to_string(&path).unwrap();
    let body = with_person("c-1", "Mrs Miller");
    let keyed = command.keyed("/v1/receipts", "k", &body).await.expect_status(200);
    let old = event_of(&keyed.json());
    forgotten_c2(&command).await;
    // As a run leaves it that ended right after the new key was made.
    let begun = format!("begun:{}\n{before}", "0c".repeat(32));
    std::fs::write(&path, &begun).unwrap();
    let new = event_of(&command.done("/v1/receipts", with_person("c-3", "x")).await.json());
    command.json(&format!("/v1/events/{old}/personal")).await;
    stockbook.keys(&["rotate-master"]).await.unwrap();
    assert_eq!(ids_of(&std::fs::read_to_string(&path).unwrap()), ["begun"]);
    // A whole run.
    stockbook.keys(&["rotate-master"]).await.unwrap();
    let last = ids_of(&std::fs::read_to_string(&path).unwrap());
    assert!(last.len() == 1 && last[0] != "begun", "{last:?}");
    let sealed_by = "select distinct master_key from subject_keys where sealed is not null
        union select master_key from fingerprint_keys";
    let mut keys = stockbook.keys_superuser().await;
    let sealed_by: Vec<String> = sqlx::query_scalar(sealed_by).fetch_all(&mut keys).await.unwrap();
    assert_eq!(sealed_by, last);
    stockbook.crash().await;
    let command = stockbook.command();
    for id in [&old, &new] {
        command.json(&format!("/v1/events/{id}/personal")).await;
    }
    let again = command.keyed("/v1/receipts", "k", &body).await.expect_status(200);
    assert_eq!(again.body, keyed.body, "fingerprints are what they were");
    assert!(command.json("/v1/subjects/c-2").await["forgotten_at"].is_string());
}

/// A person who is known and forgotten.
async fn forgotten_c2(command: &Api) {
    command.done("/v1/receipts", with_person("c-2", "x")).await;
    forget(command, "c-2", &[]).await.expect_status(200);
}
