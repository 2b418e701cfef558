//! Folding by example: histories with the state that each folds to, pinned by a file a fold version.
//!
//! A stored state is read by its fold version only, so a change to the fold of a history, or to
//! how a state is written, must say so with a new number.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use inventory::{FOLD_VERSION, Inventory, StreamState};
use serde::Deserialize;
use serde_json::{Value, json};
use shared_events::event::Event;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;

/// A history, and what it comes to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    history: String,
    stream: Stream,
    events: Vec<Fact>,
    state: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    r#type: String,
    schema_version: i16,
    occurred_at: Timestamp,
    data: Value,
}

fn golden() -> Vec<Golden> {
    let name = format!("tests/golden/fold_v{FOLD_VERSION}.json");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&name));
    let text = text.unwrap_or_else(|error| {
        panic!("{name}: {error}; a new fold version needs the histories with today's states")
    });
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The state after a history, as it is stored.
fn folded(golden: &Golden) -> Value {
    let mut inventory = Inventory::default();
    inventory.insert(StreamState::initial(&golden.stream));
    for fact in &golden.events {
        let event = Event::from_json(&fact.r#type, fact.schema_version, &fact.data.to_string());
        let event = event.unwrap_or_else(|error| panic!("{}: {error}", golden.history));
        assert_eq!(event.stream(), golden.stream, "{}", golden.history);
        inventory.evolve(&event, fact.occurred_at);
    }
    let state = inventory.state(&golden.stream).expect("it was put in");
    serde_json::to_value(state).expect("a state is JSON")
}

#[test]
fn histories_fold_to_their_golden_states() {
    let next = FOLD_VERSION + 1;
    for golden in golden() {
        let state = folded(&golden);
        assert_eq!(
            state, golden.state,
            "\n{}: folds to another state now.\n\
             If that is meant, raise FOLD_VERSION in src/state.rs to {next} and keep these \
             histories with today's states in tests/golden/fold_v{next}.json; stored states of the \
             old version are then no longer read. Today's state:\n{state}\n",
            golden.history,
        );
    }
}

#[test]
fn a_golden_state_reads_back_to_what_was_written() {
    for golden in golden() {
        let state: StreamState = serde_json::from_value(golden.state.clone())
            .unwrap_or_else(|error| panic!("{}: {error}", golden.history));
        assert_eq!(state.stream(), golden.stream, "{}", golden.history);
        assert_eq!(state.version().0, golden.events.len() as i64, "{}", golden.history);
        assert_eq!(json!(state), golden.state, "{}", golden.history);
    }
}

#[test]
fn every_event_that_was_ever_published_is_in_a_history() {
    let published: BTreeSet<(&str, i16)> = Event::TYPES
        .iter()
        .flat_map(|(name, today)| (1..=*today).map(|version| (*name, version)))
        .collect();
    let golden = golden();
    let folded: BTreeSet<(&str, i16)> = golden
        .iter()
        .flat_map(|golden| &golden.events)
        .map(|fact| (fact.r#type.as_str(), fact.schema_version))
        .collect();
    assert_eq!(folded, published);
}
