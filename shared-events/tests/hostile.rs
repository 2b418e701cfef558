//! Whatever arrives, what is read is either refused or reads the same once more, and nothing panics. The golden
//! files are the corpus: their bytes are changed, removed, added, and put together from two of them.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use proptest::prelude::*;
use proptest::sample::Index;
use shared_events::event::Event;
use shared_events::lane::{EventId, Lane, PositionToken};
use shared_events::personal::Personal;
use shared_events::record::{self, Record};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, OrderId, ReservationId, Sku, TransferId};

/// One change of a text: bytes from a place on are replaced.
#[derive(Debug, Clone)]
struct Edit {
    place: Index,
    removed: usize,
    added: Vec<u8>,
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    // What JSON, numbers and names consist of, and what they do not.
    let byte = prop_oneof![
        4 => prop::sample::select(br#""\{}[]:,-+.eE019/ZT"#.to_vec()),
        1 => any::<u8>(),
    ];
    let edit = (any::<Index>(), 0..4_usize, prop::collection::vec(byte, 0..4));
    let edit = edit.prop_map(|(place, removed, added)| Edit { place, removed, added });
    prop::collection::vec(edit, 0..5)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for Edit { place, removed, added } in edits {
        let from = place.index(bytes.len() + 1);
        let to = (from + removed).min(bytes.len());
        bytes.splice(from..to, added.iter().copied());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The beginning of one text with the end of another.
fn crossed(one: &str, other: &str, at: (Index, Index)) -> String {
    let (end, begin) = (at.0.index(one.len() + 1), at.1.index(other.len() + 1));
    let bytes = [&one.as_bytes()[..end], &other.as_bytes()[begin..]].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn golden_events() -> Vec<(String, i16, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/events");
    let mut events = Vec::new();
    for (name, today) in Event::TYPES {
        for version in 1..=*today {
            let mut file = String::new();
            for letter in name.chars() {
                if letter.is_ascii_uppercase() && !file.is_empty() {
                    file.push('_');
                }
                file.push(letter.to_ascii_lowercase());
            }
            let text = fs::read_to_string(folder.join(format!("{file}.v{version}.json")));
            events.push(((*name).to_owned(), version, text.expect("a golden event")));
        }
    }
    events
}

fn golden_lines() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let kinds = ["", ".chain2", ".chain3", ".redacted"];
    let read = |kind| fs::read_to_string(folder.join(format!("recorded_event{kind}.json")));
    kinds.map(|kind| read(kind).expect("a golden line")).into()
}

/// What is read is written, and reads the same.
fn check_text<T: FromStr + ToString + PartialEq + std::fmt::Debug>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        assert_eq!(written.parse::<T>().ok().as_ref(), Some(&read), "{text:?} → {written:?}");
    }
}

fn check_record(event: &RecordedEvent) {
    let made = Record::of(event);
    let headers = made.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
    let read = record::read(made.partition, made.value.as_bytes(), headers);
    let read = read.unwrap_or_else(|error| panic!("{error}: {made:?}"));
    assert_eq!(Record::of(&read), made);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_data_of_an_event_is_refused_or_reads_the_same(
        which in any::<Index>(),
        other in any::<Index>(),
        at in any::<(Index, Index)>(),
        crosses in any::<bool>(),
        edits in edits(),
    ) {
        let events = golden_events();
        let (name, version, text) = which.get(&events);
        let (_, _, other) = other.get(&events);
        let text = if crosses { crossed(text, other, at) } else { text.clone() };
        if let Ok(event) = Event::from_json(name, *version, &edited(&text, &edits)) {
            let data = event.to_data();
            let again = Event::from_json(event.event_type(), event.schema_version(), data.get());
            prop_assert_eq!(again.ok(), Some(event));
        }
    }

    #[test]
    fn a_line_of_the_log_is_refused_or_is_the_same_record(
        which in any::<Index>(),
        edits in edits(),
    ) {
        let lines = golden_lines();
        if let Ok(event) = serde_json::from_str::<RecordedEvent>(&edited(&lines[which.index(lines.len())], &edits)) {
            check_record(&event);
            let _ = event.event();
        }
    }

    #[test]
    fn a_record_is_refused_or_is_the_same_record(
        which in any::<Index>(),
        header in any::<Index>(),
        partition in prop_oneof![0..64_i32, any::<i32>()],
        drops in any::<bool>(),
        edits in edits(),
    ) {
        let lines = golden_lines();
        let event: RecordedEvent = serde_json::from_str(&lines[which.index(lines.len())]).expect("a golden line");
        let mut made = Record::of(&event);
        let header = header.index(made.headers.len() + 1);
        match made.headers.get_mut(header) {
            Some(_) if drops => drop(made.headers.remove(header)),
            Some((_, value)) => *value = edited(value, &edits),
            None => made.value = edited(&made.value, &edits),
        }
        let headers = made.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        if let Ok(event) = record::read(partition, made.value.as_bytes(), headers) {
            check_record(&event);
        }
    }

    #[test]
    fn names_ids_and_tokens_are_refused_or_read_the_same(
        which in prop::sample::select(vec![
            "3-17", "0:12,3:4,7:9223372036854775807", "0-1", "stock/A/MAIN", "item/85123A",
            "reservation/7-019a9f3c-5a3e-7cc1-8a05-0242ac120002", "2010-12-01T08:26:00Z",
            "2026-11-30T23:59:60.123456+01:00", "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002", "c-1.AAEC",
            "1023", "85123A", "MAIN",
        ]),
        edits in edits(),
    ) {
        let text = edited(which, &edits);
        check_text::<Lane>(&text);
        check_text::<EventId>(&text);
        check_text::<PositionToken>(&text);
        check_text::<Stream>(&text);
        check_text::<Timestamp>(&text);
        check_text::<ReservationId>(&text);
        check_text::<TransferId>(&text);
        check_text::<OrderId>(&text);
        check_text::<Sku>(&text);
        check_text::<LocationCode>(&text);
        check_text::<Label>(&text);
        check_text::<Personal>(&text);
    }
}

#[test]
fn a_line_that_says_half_of_a_redaction_is_refused() {
    let whole = golden_lines().pop().expect("the redacted line is the last");
    let read = |line: &str| serde_json::from_str::<RecordedEvent>(line).is_ok();
    assert!(read(&whole));
    let without = |member: &str| {
        let mut line: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
        assert!(line.as_object_mut().and_then(|line| line.remove(member)).is_some());
        line.to_string()
    };
    assert!(!read(&without("redacted")));
    assert!(!read(&without("data_hash")));
    assert!(!read(&whole.replace(r#"["note","personal"]"#, "[]")));
}
