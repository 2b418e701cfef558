//! The contract by example: every published event version, the record on Kafka, the chain and the slots,
//! each pinned by a file that is never edited.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use shared_events::chain::Chain;
use shared_events::event::Event;
use shared_events::record::{self, Record};
use shared_events::recorded::RecordedEvent;
use shared_events::slot::slot_of;

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.trim_end().to_owned()
}

/// `StockReceived` version 1 → `stock_received.v1.json`.
fn file_name(event_type: &str, version: i16) -> String {
    let mut name = String::new();
    for letter in event_type.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    format!("events/{name}.v{version}.json")
}

#[test]
fn todays_events_encode_to_their_golden_bytes_and_back() {
    for (event_type, version) in Event::TYPES {
        let json = golden(&file_name(event_type, *version));
        let event = Event::from_json(event_type, *version, &json).expect("a golden event decodes");
        assert_eq!(event.event_type(), *event_type);
        assert_eq!(event.to_data().get(), json, "{event_type} is encoded differently now");
    }
}

#[test]
fn every_version_that_was_ever_published_is_pinned_and_still_read() {
    let published: BTreeSet<String> = Event::TYPES
        .iter()
        .flat_map(|(name, today)| (1..=*today).map(|version| file_name(name, version)))
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events");
    let pinned: BTreeSet<String> = fs::read_dir(folder)
        .expect("the golden folder exists")
        .map(|entry| entry.expect("a folder entry").file_name())
        .map(|name| format!("events/{}", name.to_string_lossy()))
        .collect();
    assert_eq!(pinned, published);
    for (name, today) in Event::TYPES {
        for version in 1..=*today {
            let event = Event::from_json(name, version, &golden(&file_name(name, version)));
            let event = event.unwrap_or_else(|error| panic!("{name} version {version}: {error}"));
            assert_eq!((event.event_type(), event.schema_version()), (*name, *today));
        }
        assert!(
            Event::from_json(name, today + 1, "{}").is_err()
                && Event::from_json(name, 0, "{}").is_err()
        );
    }
}

#[test]
fn an_adjustment_without_shortage_reads_as_one_without_a_shortage() {
    let event = Event::from_json("StockAdjusted", 1, &golden("events/stock_adjusted.v1.json"));
    let Ok(Event::StockAdjusted(adjusted)) = event else { panic!("{event:?}") };
    assert!(!adjusted.shortage);
    assert_eq!(adjusted.delta, -2);
}

#[test]
fn an_unknown_member_or_type_is_refused_and_named() {
    let error = Event::from_json("StockTeleported", 1, "{}").expect_err("no such type");
    assert!(error.to_string().contains("StockTeleported version 1"), "{error}");
    let error = Event::from_json("ItemRegistered", 1, r#"{"sku":"A","nmae":"a"}"#)
        .expect_err("a misspelt member");
    assert!(error.to_string().contains("nmae"), "{error}");
}

/// The golden events with their records on Kafka, one for each version of the chain's links.
const RECORDED: [(&str, &str); 3] = [
    ("recorded_event.json", "record.txt"),
    ("recorded_event.chain2.json", "record.chain2.txt"),
    ("recorded_event.chain3.json", "record.chain3.txt"),
];

/// The third of them after its note and its personal data were removed.
const REDACTED: (&str, &str) = ("recorded_event.redacted.json", "record.redacted.txt");

fn recorded(name: &str) -> RecordedEvent {
    serde_json::from_str(&golden(name)).expect("the golden event decodes")
}

fn line(event: &RecordedEvent) -> String {
    serde_json::to_string(event).expect("an event can be written")
}

#[test]
fn a_recorded_event_reads_and_writes_the_same_line() {
    for name in ["recorded_event.chain2.json", "recorded_event.chain3.json", REDACTED.0] {
        assert_eq!(line(&recorded(name)), golden(name));
    }
    // An event of before callers were known says that it has none, and nothing else.
    let before = golden("recorded_event.json");
    let without = r#""actor":"till-4","#;
    let with = format!(r#"{without}"caller":null,"#);
    assert_eq!(line(&recorded("recorded_event.json")), before.replacen(without, &with, 1));
}

#[test]
fn the_chain_after_an_event_never_changes() {
    for (name, _) in RECORDED.into_iter().chain([REDACTED]) {
        let event = recorded(name);
        assert_eq!(event.chain_after(Chain::default()).to_string(), event.chain.to_string());
    }
}

#[test]
fn the_chain_covers_every_published_member() {
    for (name, _) in RECORDED {
        covers_every_published_member(&recorded(name));
    }
}

fn covers_every_published_member(event: &RecordedEvent) {
    let before = event.chain_after(Chain::default());
    let original: serde_json::Value = serde_json::to_value(event).expect("an event is JSON");
    let changes = [
        ("lane", serde_json::json!(4)),
        ("position", serde_json::json!(8)),
        ("stream", serde_json::json!("stock/85123A/OTHER")),
        ("version", serde_json::json!(9)),
        ("type", serde_json::json!("StockIssued")),
        ("schema_version", serde_json::json!(2)),
        ("occurred_at", serde_json::json!("2010-12-01T08:26:00.000001Z")),
        ("recorded_at", serde_json::json!("2026-11-20T10:00:00.000001Z")),
        ("actor", serde_json::json!("somebody")),
        ("caller", serde_json::json!("key/another")),
        ("correlation_id", serde_json::json!("another")),
        ("causation_id", serde_json::json!("another")),
        ("data", serde_json::json!({})),
        ("personal", serde_json::json!({"subject": "c-81", "sealed": "other"})),
        ("personal", serde_json::json!({"subject": "c-82", "sealed": "AQAAAAAAAAAHc2VhbGVk"})),
    ];
    for (member, value) in changes {
        let mut changed = original.clone();
        changed[member] = value;
        let changed: RecordedEvent =
            serde_json::from_value(changed).expect("a changed event decodes");
        assert_ne!(changed.chain_after(Chain::default()), before, "{member} is not covered");
    }
    let mut anonymous = event.clone();
    anonymous.caller = None;
    let is_covered = anonymous.chain_after(Chain::default()) != before;
    assert_eq!(is_covered, event.caller.is_some());
    let mut unsealed = event.clone();
    unsealed.personal = None;
    let is_covered = unsealed.chain_after(Chain::default()) != before;
    assert_eq!(is_covered, event.personal.is_some());
}

#[test]
fn the_chain_covers_the_hashes_of_what_was_removed() {
    let event = recorded(REDACTED.0);
    let before = event.chain_after(Chain::default());
    for (member, value) in [("data_hash", "00".repeat(32)), ("personal_hash", "00".repeat(32))] {
        let mut changed = serde_json::to_value(&event).expect("an event is JSON");
        changed[member] = serde_json::json!(value);
        let changed: RecordedEvent = serde_json::from_value(changed).expect("an event");
        assert_ne!(changed.chain_after(Chain::default()), before, "{member} is not covered");
    }
}

#[test]
fn a_record_on_kafka_has_its_golden_form_and_reads_back() {
    for (name, file) in RECORDED.into_iter().chain([REDACTED]) {
        has_its_golden_form_and_reads_back(&recorded(name), file);
    }
}

fn has_its_golden_form_and_reads_back(event: &RecordedEvent, file: &str) {
    let record = Record::of(event);
    let mut text = format!("partition {}\nkey {}\n", record.partition, record.key);
    for (name, value) in &record.headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text.push_str(&record.value);
    assert_eq!(text, golden(file));

    let headers = record.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let back = record::read(record.partition, record.value.as_bytes(), headers)
        .expect("our own record reads back");
    assert_eq!(line(&back), line(event));
}

#[test]
fn a_foreign_record_is_refused_with_the_invalid_part() {
    let record = Record::of(&recorded("recorded_event.json"));
    for missing in ["position", "version", "ce_type", "ce_subject", "chain", "recorded_at"] {
        let headers = record
            .headers
            .iter()
            .filter(|(name, _)| *name != missing)
            .map(|(name, value)| (*name, value.as_bytes()));
        let error = record::read(3, record.value.as_bytes(), headers).expect_err(missing);
        assert!(error.to_string().contains(missing), "{error}");
    }
    let headers = || record.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    assert!(record::read(3, b"\xff", headers()).is_err(), "not UTF-8");
    assert!(record::read(3, b"{", headers()).is_err(), "not JSON");
    assert!(record::read(-1, b"{}", headers()).is_err(), "not a lane");
}

#[test]
fn slots_of_keys_never_change() {
    for line in golden("slots.txt").lines() {
        let (key, slot) = line.rsplit_once(' ').expect("a key and a slot");
        assert_eq!(slot_of(key).to_string(), slot, "{key}");
    }
}
