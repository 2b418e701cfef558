//! Lanes that are whole, and lanes that somebody has changed.

use serde_json::value::RawValue;
use shared_events::event::{StockIssued, StockReceived};

use super::*;
use crate::log::sample::recorded;

/// A lane of receipts and issues of ten, each entry as the writer would make it.
fn lane() -> Vec<Entry> {
    let mut chain = Chain::default();
    let mut entries = Vec::new();
    for (nth, on_hand) in (1..).zip([10, 20, 10, 0]) {
        let (sku, location) = ("A".parse().unwrap(), "MAIN".parse().unwrap());
        let after = Figures { on_hand, ..Figures::default() };
        let (quantity, cause) = (10, Default::default());
        let fact = if nth <= 2 {
            Event::StockReceived(StockReceived { sku, location, quantity, after, cause })
        } else {
            let purpose = None;
            Event::StockIssued(StockIssued { sku, location, quantity, purpose, after, cause })
        };
        entries.push(entry(&fact, nth, &mut chain));
    }
    entries
}

fn entry(fact: &Event, nth: i64, chain: &mut Chain) -> Entry {
    let mut event = recorded(fact, nth);
    event.chain = event.chain_after(*chain);
    *chain = event.chain;
    let data_hash = data_hash(event.data.get()).to_vec();
    Entry { event, data_hash }
}

fn check(entries: &[Entry]) -> Result<LaneCheck, Difference> {
    let mut check = LaneCheck::new(Lane(3));
    for entry in entries {
        check.follow(entry)?;
    }
    Ok(check)
}

/// What is found when the third event is changed, and every link after it made anew, as by
/// somebody who knows the chain.
fn found(forge: bool, change: impl FnOnce(&mut Entry)) -> String {
    let mut entries = lane();
    change(&mut entries[2]);
    if forge {
        let mut chain = entries[1].event.chain;
        for entry in &mut entries[2..] {
            entry.data_hash = data_hash(entry.event.data.get()).to_vec();
            entry.event.chain = entry.event.chain_after(chain);
            chain = entry.event.chain;
        }
    }
    let difference = check(&entries).expect_err("a difference");
    assert_eq!(difference.position, Position(3), "{difference}");
    difference.to_string()
}

#[test]
fn a_lane_as_the_writer_makes_it_is_whole() {
    let check = check(&lane()).unwrap();
    assert_eq!((check.position(), check.streams()), (Position(4), 1));
    assert_eq!(check.chain(), lane()[3].event.chain);
}

#[test]
fn a_change_shows_by_its_hash_or_by_the_chain() {
    let other = "{\"sku\":\"A\"}".to_owned();
    let data = || RawValue::from_string(other.clone()).unwrap();
    assert!(found(false, |entry| entry.event.data = data()).contains("data_hash: expected"));
    let actor = |entry: &mut Entry| entry.event.actor = Some("mallory".parse().unwrap());
    assert!(found(false, actor).contains("chain: expected"));
    assert!(found(true, |entry| entry.event.data = data()).contains("data: expected"));
}

#[test]
fn what_a_whole_chain_cannot_tell_is_told_by_meaning() {
    type Case = (fn(&mut Entry), &'static str);
    let cases: [Case; 6] = [
        (|entry| entry.event.position = Position(4), "position: expected 3, found 4"),
        (|entry| entry.event.version = Version(2), "version: expected 3, found 2"),
        (
            |entry| entry.event.recorded_at = Timestamp::UNIX_EPOCH,
            "recorded_at: expected 2026-01-01T00:00:02.000000Z or later, found 1970-",
        ),
        (|entry| entry.event.schema_version = 9, "an event that this binary knows"),
        (|entry| data(entry, ":10,\"r", ":9,\"r"), "on_hand after it: expected 10, found 9"),
        (
            |entry| data(entry, "\"MAIN\"", "\"SIDE\""),
            "stream of data: expected stock/A/MAIN, found stock/A/SIDE",
        ),
    ];
    for (change, expected) in cases {
        let found = found(true, change);
        assert!(found.contains(expected), "{found}");
    }
}

fn data(entry: &mut Entry, from: &str, to: &str) {
    let data = entry.event.data.get().replace(from, to);
    entry.event.data = RawValue::from_string(data).unwrap();
}
