//! Redaction: bytes of recorded events are gone from every table, topic and view, and the log proves what is left.

use std::sync::Arc;

use integration_tests::{Answer, Api, Stockbook, World, lines_at_main, pointers, reservation};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use stack::services::settings::Settings;
use stack::services::task_output;

use crate::integrity::assert_ok;
use crate::log::tamper;
use crate::personal::{event_of, keeping, with_person};
use crate::relay::assert_topic_equals_log;
use crate::views::done;

trials! {
    what_is_removed_is_gone_from_tables_topic_and_views_and_every_other_change_is_found,
    what_is_removed_does_not_come_back_from_memory_or_stored_outcomes,
    only_what_is_recorded_is_removed_and_only_what_may_go,
    a_box_of_personal_data_is_removed_and_its_hash_stays,
}

/// What must not be found any more.
const SECRET: &str = "the blue coat of Mrs Miller";

/// What names her.
const LETTER: &str = "letter-of-mrs-miller";

pub(crate) async fn redact(api: &Api, ids: &[String], members: &[&str]) -> Answer {
    let body = json!({"events": ids, "members": members, "reason": "request"});
    api.post("/v1/redactions", body).await
}

/// The relations of a database whose files have these bytes, after everything is written to them.
async fn files_with(database: &mut PgConnection, text: &str) -> Vec<String> {
    sqlx::raw_sql("checkpoint").execute(&mut *database).await.expect("a superuser may");
    let search = "select relname::text from pg_class \
        where relkind in ('r', 't', 'i') and pg_relation_filenode(oid) is not null \
            and position(convert_to($1, 'UTF8') in pg_read_binary_file(pg_relation_filepath(oid))) > 0";
    let found = sqlx::query_scalar(search).bind(text).fetch_all(database).await;
    found.expect("a superuser may read files")
}

async fn verified(stockbook: &Stockbook) -> String {
    let settings = Settings::default().with("WRITE_DATABASE_URL", stockbook.urls.write.as_str());
    let said = task_output(stockbook.world.command_service(), &["verify"], &settings).await;
    said.expect("the log is consistent")
}

async fn checked(stockbook: &Stockbook) -> Value {
    let token = stockbook.heads().await;
    let report = stockbook.read_at("/v1/integrity", &token).await.json();
    assert_ok(&report);
    report
}

/// Makes the topic again.
pub(crate) async fn remake_topic(stockbook: &Stockbook) {
    let settings = Settings::create_topic(stockbook.brokers())
        .with("WRITE_DATABASE_URL", stockbook.urls.write.as_str())
        .with("TOPIC", &stockbook.topic);
    let settings = stockbook.with_kafka(settings);
    let made =
        task_output(stockbook.world.command_service(), &["topic", "remake"], &settings).await;
    made.expect("the topic is made again");
}

/// Three receipts with what is to be removed, between others, and an item that is described with it.
async fn three_old_events(stockbook: &Stockbook) -> (Vec<String>, String) {
    let command = stockbook.command();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut body = lines_at_main(&[("A", 5)]);
        body["note"] = json!(SECRET);
        body["metadata"] = json!({"buyer": SECRET});
        body["reference"] = json!({"type": "letter", "id": LETTER});
        ids.push(event_of(&command.done("/v1/receipts", body).await.json()));
        stockbook.receive(&[("A", 1), ("B", 2)]).await;
    }
    let described = json!({"metadata": {"reserved for": SECRET}});
    let item = command.put("/v1/items/B", described).await.expect_status(200).json();
    command.done("/v1/issues", lines_at_main(&[("A", 3), ("B", 1)])).await;
    (ids, event_of(&item))
}

async fn what_is_removed_is_gone_from_tables_topic_and_views_and_every_other_change_is_found(
    world: Arc<World>,
) {
    let stockbook = Stockbook::start(&world).await;
    stockbook.register(&["A", "B"]).await;
    let command = stockbook.command();
    let (ids, item) = three_old_events(&stockbook).await;
    let by_letter = format!("/v1/movements?reference=letter/{LETTER}");
    let heads = stockbook.heads().await;
    let before = stockbook.read_at(&by_letter, &heads).await.json();
    assert_eq!(before["items"].as_array().unwrap().len(), 3);
    let chain: Vec<Value> = command.rows("/v1/lanes").await;
    let [mut log, mut views] = [stockbook.superuser().await, stockbook.read_superuser().await];
    assert!(files_with(&mut log, SECRET).await.contains(&"events".to_owned()));
    assert!(files_with(&mut views, LETTER).await.contains(&"movements".to_owned()));
    let figures = (command.figures("A").await, command.figures("B").await);

    // 1. Remove it, and once more, which does nothing.
    let all = ["note", "metadata", "reference"];
    let redacted = redact(&command, &ids, &all).await.expect_status(200);
    assert_eq!(redacted.types(), ["EventsRedacted"]);
    assert_eq!(redacted.json()["also_in"], json!([]));
    let of_item = redact(&command, std::slice::from_ref(&item), &all).await.expect_status(200);
    assert_eq!(of_item.types(), ["EventsRedacted"]);
    let again = redact(&command, &ids, &all).await.expect_status(200);
    assert_eq!(again.types(), [""; 0]);

    // 2. The log shows what went, and nothing of it.
    let announced = event_of(&redacted.json());
    let announced = command.json(&format!("/v1/events/{announced}")).await;
    let named = announced["data"]["events"].as_array().unwrap();
    for (id, one) in ids.iter().zip(named) {
        let event = command.json(&format!("/v1/events/{id}")).await;
        assert_eq!(event["redacted"], json!(all), "{event}");
        let said = (&one["id"], &one["members"], &one["hash_before"]);
        assert_eq!(said, (&json!(id), &json!(all), &event["data_hash"]), "{announced}");
        assert!(event["data"].get("context").is_none() && event["data"]["quantity"] == 5);
    }
    for lane in &chain {
        let events = command.get(&format!("/v1/lanes/{}/events", lane["lane"])).await.body;
        assert!(!events.contains(SECRET) && !events.contains(LETTER), "{events}");
    }
    assert_eq!((command.figures("A").await, command.figures("B").await), figures);
    assert!(verified(&stockbook).await.contains(", 4 redacted, no difference"));

    // 3. Views follow, and a rebuild finds the same.
    stockbook.read_at("/v1/items", &of_item.position()).await;
    let after = stockbook.read_at(&by_letter, &stockbook.heads().await).await.json();
    assert_eq!(after["items"], json!([]));
    assert_eq!(stockbook.query().json("/v1/items/B").await["metadata"], json!({}));
    assert_eq!(checked(&stockbook).await["redacted"], 4);
    done(&stockbook, &["rebuild", "stock", "--compare"]).await;

    // 4. The topic is made again.
    remake_topic(&stockbook).await;
    assert_topic_equals_log(&stockbook).await;
    stockbook.receive(&[("A", 1)]).await;
    checked(&stockbook).await;

    // 5. No file has the bytes.
    for (database, text) in [(&mut log, SECRET), (&mut views, LETTER)] {
        sqlx::raw_sql("vacuum (full, analyze)").execute(&mut *database).await.unwrap();
        assert_eq!(files_with(database, text).await, [""; 0]);
    }
    assert_eq!(files_with(&mut log, LETTER).await, [""; 0]);

    // 6. A change that nothing announces is found, in a redacted event and in others.
    let set = |what: &str, of: &str| format!("update events set {what} where {of}");
    let spaced = "data = replace(data::text, '\"quantity\":', '\"quantity\" :')::json";
    let back = "data = replace(data::text, '\"quantity\" :', '\"quantity\":')::json";
    let (received, described) = ("redacted is not null", "type = 'ItemChanged'");
    for (change, of, undo, found) in [
        (spaced, received, back, "redaction: expected"),
        ("redacted = null", described, "redacted = '{metadata}'", "data_hash: expected"),
        ("redacted = '{note}'", described, "redacted = '{metadata}'", "redaction: expected"),
        (spaced, "stream = 'stock/B/MAIN'", back, "stream stock/B/MAIN, data_hash: expected"),
    ] {
        tamper(&stockbook, &set(change, of)).await;
        let said = stockbook.difference().await.expect("a difference");
        assert!(said.contains(found), "{change} of {of}: {said}");
        tamper(&stockbook, &set(undo, of)).await;
        stockbook.verify().await;
    }
}

async fn what_is_removed_does_not_come_back_from_memory_or_stored_outcomes(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.add_command_service(&[]).await;
    stockbook.stock(&[("A", 50)]).await;
    let [one, other] = &stockbook.instances()[..] else { panic!("two instances") };
    let mut body = reservation("cart", 600, &[("A", 3)]);
    body["reference"] = json!({"type": "letter", "id": LETTER});
    let made = one.keyed("/v1/reservations", "k", &body).await.expect_status(201);
    let id = made.reservation_id();
    other.take(&id, "extend", json!({"ttl_seconds": 900})).await;

    // The hold is in another event of the command.
    let stream = format!("reservation/{id}");
    let ids_of = async |stream: &str| -> Vec<String> {
        one.stream(stream).await.iter().map(|event| event.id().to_string()).collect()
    };
    let (held, stock) = (ids_of(&stream).await, ids_of("stock/A/MAIN").await);
    let first = redact(one, &held[..1], &["reference"]).await.expect_status(200).json();
    assert_eq!(first["also_in"], json!([stock[1]]), "{first}");
    redact(one, &[held, stock].concat(), &["reference"]).await.expect_status(200);

    // Both instances had the reservation in memory.
    other.take(&id, "confirm", json!({})).await;
    one.take(&id, "fulfil", json!({})).await;
    for stream in [stream.as_str(), "stock/A/MAIN"] {
        let events = one.get(&format!("/v1/streams/{stream}/events")).await.body;
        assert!(!events.contains(LETTER), "{events}");
    }
    let replayed = other.keyed("/v1/reservations", "k", &body).await.expect_status(201);
    assert!(replayed.is_replayed() && !replayed.body.contains(LETTER), "{}", replayed.body);
    assert_eq!(replayed.reservation_id(), id);
    let shown =
        stockbook.read_at(&format!("/v1/reservations/{id}"), &stockbook.heads().await).await;
    assert_eq!(shown.json()["reference"], Value::Null);
    stockbook.verify().await;
    checked(&stockbook).await;
}

async fn only_what_is_recorded_is_removed_and_only_what_may_go(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 5)]).await;
    let mut body = lines_at_main(&[("A", 5)]);
    body["note"] = json!(SECRET);
    let id = event_of(&command.done("/v1/receipts", body).await.json());
    let heads = stockbook.heads().await;

    let refused = redact(&command, std::slice::from_ref(&id), &["note", "quantity"]).await;
    let problem = refused.expect_problem(422, "validation_failed");
    assert_eq!(pointers(&problem), ["/members/1"], "{problem}");
    let many: Vec<String> = (1..=1_001).map(|nth| format!("0-{nth}")).collect();
    redact(&command, &many, &["note"]).await.expect_problem(422, "validation_failed");
    let unknown = redact(&command, &[id.clone(), "3-99999".to_owned()], &["note"]).await;
    assert_eq!(unknown.expect_problem(404, "unknown_event")["id"], "3-99999");
    let without = json!({"events": [id], "members": ["note"]});
    command.post("/v1/redactions", without).await.expect_problem(422, "reason_required");
    let body = json!({"events": [id], "members": ["note", "payment"], "reason": "request"});
    let valid = command.post("/v1/redactions?validate_only=true", body.clone()).await;
    let valid = valid.expect_status(200);
    assert_eq!(valid.types(), ["EventsRedacted"]);
    assert_eq!(valid.header("stock-position"), None);

    // Neither the service's role nor the owner of the tables removes anything without the event that says so.
    let mut owner = PgConnection::connect(stockbook.urls.write_owner.as_str()).await.unwrap();
    let (lane, position) = id.split_once('-').unwrap();
    let call = format!("select redact_events('{{{lane}}}', '{{{position}}}')");
    let database = stockbook.write_database().await;
    let error = sqlx::raw_sql(sqlx::AssertSqlSafe(call)).execute(&database).await;
    let error = error.expect_err("nothing announces it");
    assert!(error.to_string().contains("a redaction is done only as"), "{error}");
    let error = sqlx::raw_sql("update events set redacted = '{note}'").execute(&mut owner).await;
    assert!(error.expect_err("refused").to_string().contains("append-only"));
    assert_eq!(stockbook.heads().await, heads);
    let event = command.json(&format!("/v1/events/{id}")).await;
    assert_eq!(event["data"]["context"]["note"], SECRET);

    // One key, one effect.
    let done = command.keyed("/v1/redactions", "k", &body).await.expect_status(200);
    let again = command.keyed("/v1/redactions", "k", &body).await.expect_status(200);
    assert!(again.is_replayed() && !done.is_replayed());
    assert_eq!(again.body, done.body);
    let mut other = body.clone();
    other["members"] = json!(["note"]);
    let reused = command.keyed("/v1/redactions", "k", &other).await;
    reused.expect_problem(422, "idempotency_key_reused");
    assert_eq!(stockbook.count("EventsRedacted").await, 1);
    stockbook.verify().await;
}

async fn a_box_of_personal_data_is_removed_and_its_hash_stays(world: Arc<World>) {
    let (stockbook, command) = keeping(&world, &[("A", 5)]).await;
    let mut body = with_person("c-81", "Mrs Miller");
    body["note"] = json!(SECRET);
    let id = event_of(&command.done("/v1/receipts", body).await.json());
    redact(&command, std::slice::from_ref(&id), &["personal"]).await.expect_status(200);
    redact(&command, std::slice::from_ref(&id), &["note", "personal"]).await.expect_status(200);
    let event = command.json(&format!("/v1/events/{id}")).await;
    assert_eq!(event["redacted"], json!(["note", "personal"]), "{event}");
    assert!(event.get("personal").is_none() && event["personal_hash"].is_string(), "{event}");
    assert_eq!(event["chain_version"], 3);
    command.get(&format!("/v1/events/{id}/personal")).await.expect_problem(404, "not_found");
    assert!(verified(&stockbook).await.contains(", 1 redacted, no difference"));
    assert_eq!(checked(&stockbook).await["redacted"], 1);
    remake_topic(&stockbook).await;
    assert_topic_equals_log(&stockbook).await;
    let back = "update events set subject = 'c-81', sealed = 'AQAA' where redacted is not null";
    tamper(&stockbook, back).await;
    assert!(stockbook.difference().await.is_some());
}
