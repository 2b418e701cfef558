use std::sync::Arc;

use shared_events::event::{Event, Figures, HeldStock, StockReceived};

use shared_events::time::Timestamp;

use super::*;
use crate::log::sample::recorded;

fn stream() -> Stream {
    "stock/A/MAIN".parse().unwrap()
}

fn receipt() -> Event {
    Event::StockReceived(StockReceived {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        quantity: 1,
        after: Figures { on_hand: 1, ..Figures::default() },
        cause: Default::default(),
    })
}

fn hold(line: u32) -> Event {
    Event::StockReserved(HeldStock {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
        reservation: "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().unwrap(),
        line,
        quantity: 1,
        expires_at: Timestamp::UNIX_EPOCH,
        after: Figures::default(),
        cause: Default::default(),
    })
}

/// Folds so many events made by `make` and returns those of the last `batch`, with the state.
fn grown(
    events: i64,
    batch: i64,
    make: impl Fn(i64) -> Event,
) -> (Vec<Arc<RecordedEvent>>, Inventory) {
    let mut inventory = Inventory::default();
    let mut last = Vec::new();
    for version in 1..=events {
        let event = make(version);
        inventory.evolve(&event);
        if version > events - batch {
            last.push(Arc::new(recorded(&event, version)));
        }
    }
    (last, inventory)
}

/// The version that the last batch keeps of the stream, if it keeps one.
fn kept(events: i64, batch: i64, make: impl Fn(i64) -> Event) -> Option<i64> {
    let (events, inventory) = grown(events, batch, make);
    due(&events, [], &inventory).get(&stream()).map(|state| state.version().0)
}

#[test]
fn a_state_is_kept_by_the_batch_that_crosses_a_step_as_of_its_last_event() {
    let receipts = |_| receipt();
    assert_eq!(kept(499, 499, receipts), None);
    assert_eq!(kept(500, 1, receipts), Some(500));
    assert_eq!(kept(503, 10, receipts), Some(503));
    assert_eq!(kept(503, 3, receipts), None, "the step was crossed before the batch");
    assert_eq!(kept(1_000, 1, receipts), Some(1_000));
}

#[test]
fn a_state_that_weighs_much_is_kept_less_often() {
    let holds = |version| hold(u32::try_from(version).unwrap());
    assert_eq!(kept(500, 1, holds), Some(500));
    assert_eq!(kept(1_500, 1, holds), None, "1,500 holds are worth 2,000 events");
    assert_eq!(kept(2_000, 1, holds), Some(2_000));
}

#[test]
fn what_took_long_to_fold_is_kept_by_the_next_batch_that_locks_it() {
    let (_, inventory) = grown(700, 0, |_| receipt());
    let state = inventory.state(&stream()).unwrap();
    let mut overdue = Overdue::default();
    overdue.note(&state, 499);
    assert!(overdue.among(|_| true).is_empty());
    overdue.note(&state, 500);
    assert!(overdue.among(|_| false).is_empty());
    let locked = overdue.among(|stream| *stream == self::stream());
    let due = due(&[], locked, &inventory);
    assert_eq!(due.get(&stream()), Some(&state));
    overdue.kept(due.keys());
    assert!(overdue.among(|_| true).is_empty());
}

#[test]
fn a_state_reads_back_and_an_items_does_not_say_whether_it_is_stocked() {
    let (_, inventory) = grown(3, 0, |line| hold(u32::try_from(line).unwrap()));
    let state = inventory.state(&stream()).unwrap();
    assert_eq!(serde_json::from_str::<StreamState>(&to_json(state.clone())).unwrap(), state);

    let item: Stream = "item/A".parse().unwrap();
    let mut inventory = Inventory::default();
    inventory.insert(StreamState::initial(&item));
    let before = to_json(inventory.state(&item).unwrap());
    inventory.mark_stocked(&"A".parse().unwrap());
    assert_eq!(to_json(inventory.state(&item).unwrap()), before);
}
