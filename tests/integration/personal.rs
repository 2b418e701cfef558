//! Personal data is sealed before anything is stored, and opened only while its subject's key is there.

pub(crate) mod forgetting;
pub(crate) mod marks;
pub(crate) mod windows;

use std::sync::Arc;

use integration_tests::{Api, Stockbook, World, lines_at_main};
use serde_json::{Value, json};

use crate::relay::assert_topic_equals_log;

trials! {
    what_is_known_of_a_person_is_sealed_shown_as_a_box_and_opened,
    no_key_is_made_for_what_is_not_recorded,
    a_box_that_was_moved_or_changed_does_not_open,
    personal_data_without_a_master_key_is_refused,
}

/// A Stockbook that keeps personal data, with this stock.
pub(crate) async fn keeping(world: &Arc<World>, stock: &[(&str, i64)]) -> (Stockbook, Api) {
    let mut stockbook = Stockbook::prepare(world, 4).await.keeping_personal().await;
    stockbook.add_command_service(&[]).await;
    stockbook.add_query_service(&[]).await;
    stockbook.stock(stock).await;
    let command = stockbook.command();
    (stockbook, command)
}

/// Takes in or gives out one A, for a person.
pub(crate) fn with_person(subject: &str, name: &str) -> Value {
    let mut body = lines_at_main(&[("A", 1)]);
    body["personal"] = json!({"subject": subject, "data": {"name": name}});
    body
}

/// The keys that were ever made for a subject.
pub(crate) async fn keys_of(stockbook: &Stockbook, subject: &str) -> i64 {
    let count = "select count(*) from subject_keys where subject = $1";
    let count = sqlx::query_scalar(count).bind(subject);
    count.fetch_one(&mut stockbook.keys_superuser().await).await.unwrap()
}

pub(crate) fn event_of(answer: &Value) -> String {
    answer["events"][0]["id"].as_str().expect("an event").to_owned()
}

async fn what_is_known_of_a_person_is_sealed_shown_as_a_box_and_opened(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 5)]).await;
    let name = "Mrs Miller";
    let receipt = command.done("/v1/receipts", with_person("c-81", name)).await.json();
    let register = json!({"personal": {"subject": "c-82", "data": {"buyer": name}}});
    let item = command.put("/v1/items/B", register).await.expect_status(201).json();
    let mut one = with_person("c-81", name);
    one["type"] = json!("receive_stock");
    let mut other = lines_at_main(&[("A", 1)]);
    other["type"] = json!("receive_stock");
    let batch = json!({"mode": "atomic", "commands": [one, other]});
    let batch = command.done("/v1/batches", batch).await.json();

    for (id, subject, member) in
        [(event_of(&receipt), "c-81", "name"), (event_of(&item), "c-82", "buyer")]
    {
        let opened = command.json(&format!("/v1/events/{id}/personal")).await;
        assert_eq!(opened, json!({"subject": subject, "data": {member: name}}));
    }
    let results = batch["results"].as_array().unwrap();
    let first = event_of(&results[0]["body"]);
    assert_eq!(command.json(&format!("/v1/events/{first}/personal")).await["data"]["name"], name);
    let second = event_of(&results[1]["body"]);
    command.get(&format!("/v1/events/{second}/personal")).await.expect_problem(404, "not_found");
    for unknown in ["3-99999", "x", "0-0"] {
        let path = format!("/v1/events/{unknown}/personal");
        command.get(&path).await.expect_problem(404, "not_found");
    }

    let events = command.get("/v1/streams/stock/A/MAIN/events").await.body;
    let line: Value = serde_json::from_str(events.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&line["personal"]["subject"], &line["chain_version"]), (&json!("c-81"), &json!(3)));
    let changes = stockbook.read_at("/v1/changes", &stockbook.heads().await).await.body;
    assert!(changes.contains(line["personal"]["sealed"].as_str().unwrap()));
    assert!(!changes.contains(name) && !events.contains(name));
    assert_topic_equals_log(&stockbook).await;
    stockbook.verify().await;
    assert_eq!((keys_of(&stockbook, "c-81").await, keys_of(&stockbook, "c-82").await), (1, 1));
}

async fn no_key_is_made_for_what_is_not_recorded(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 1)]).await;
    let valid = command.post("/v1/receipts?validate_only=true", with_person("valid", "x")).await;
    valid.expect_status(200);
    let mut too_many = with_person("refused", "x");
    too_many["lines"][0]["quantity"] = json!(9);
    command.keyed("/v1/issues", "k", &too_many).await.expect_problem(409, "insufficient_stock");
    command.keyed("/v1/issues", "k", &too_many).await.expect_problem(409, "insufficient_stock");
    let mut wrong = with_person("wrong", "x");
    wrong["personal"]["data"]["name"] = json!(7);
    let problem =
        command.post("/v1/receipts", wrong).await.expect_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/personal/data", "{problem}");
    let large = with_person("large", &"x".repeat(4_090));
    command.post("/v1/receipts", large).await.expect_problem(422, "validation_failed");
    for subject in ["valid", "refused", "wrong", "large"] {
        assert_eq!(keys_of(&stockbook, subject).await, 0, "{subject}");
    }
    // Two instances that know of no key make one.
    let body = with_person("two", "x");
    command.done("/v1/receipts", body.clone()).await;
    let mut stockbook = stockbook;
    stockbook.add_command_service(&[]).await;
    let other = stockbook.instances()[1].clone();
    let second = other.done("/v1/receipts", body).await.json();
    let opened = command.json(&format!("/v1/events/{}/personal", event_of(&second))).await;
    assert_eq!(opened["subject"], "two");
    assert_eq!(keys_of(&stockbook, "two").await, 1);
}

async fn a_box_that_was_moved_or_changed_does_not_open(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 1)]).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(event_of(&command.done("/v1/receipts", with_person("c", "x")).await.json()));
    }
    let move_box = "update events set sealed = (select sealed from events \
        where stream = 'stock/A/MAIN' and version = 2) where stream = 'stock/A/MAIN' and version = 3";
    crate::log::tamper(&stockbook, move_box).await;
    let path = format!("/v1/events/{}/personal", ids[1]);
    command.get(&path).await.expect_problem(500, "personal_damaged");
    assert!(stockbook.difference().await.is_some_and(|said| said.contains("chain: expected")));
    let lost = "delete from subject_keys";
    sqlx::query(lost).execute(&mut stockbook.keys_superuser().await).await.unwrap();
    let path = format!("/v1/events/{}/personal", ids[0]);
    command.get(&path).await.expect_problem(500, "personal_damaged");
}

async fn personal_data_without_a_master_key_is_refused(world: Arc<World>) {
    let (stockbook, command) = Stockbook::without_views(&world, 1).await;
    let refused = command.post("/v1/receipts", with_person("c", "x")).await;
    let problem = refused.expect_problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/personal", "{problem}");
    command.done("/v1/receipts", lines_at_main(&[("A", 1)])).await;
    stockbook.verify().await;
}
