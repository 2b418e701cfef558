//! What each event does: given a log, when it is folded, then these rows.

mod reservations;

use shared_events::event::Figures;
use shared_events::lane::Position;
use shared_events::recorded::RecordedEvent;
use shared_events::values::{LocationCode, Sku};

use crate::projection::Projection;
use crate::projection::changes::{self, Unfit};
use crate::projection::stock::Changes;
use crate::projection::stock::sample::Log;
use crate::projection::stock::sample::hold::Step;

fn folded(events: &[RecordedEvent]) -> Changes {
    let mut changes = Changes::default();
    for recorded in events {
        let event = recorded.event().expect("an event of today");
        changes.fold(recorded, &event).expect("an event that fits");
    }
    changes
}

fn given(tell: impl FnOnce(&mut Log)) -> Changes {
    let mut log = Log::with_lanes(1);
    tell(&mut log);
    folded(&log.events)
}

fn on_hand(on_hand: i64) -> Figures {
    Figures { on_hand, reserved: 0, allocated: 0 }
}

fn pair(sku: &str, location: &str) -> (Sku, LocationCode) {
    (sku.parse().expect("a sku"), location.parse().expect("a location"))
}

#[test]
fn goods_that_come_in_make_a_level_a_total_and_a_movement() {
    let changes = given(|log| log.receive("A", "MAIN", 5));
    let (place, figures) = changes.levels[&pair("A", "MAIN")];
    assert_eq!((place.position, place.version.0, figures), (Position(1), 1, on_hand(5)));
    let total = changes.totals[&pair("A", "MAIN").0];
    assert_eq!((total.delta, total.events), (on_hand(5), 1));
    let movement = &changes.movements[0];
    assert_eq!((movement.delta, movement.after), (on_hand(5), on_hand(5)));
    assert_eq!(movement.event_type, "StockReceived");
}

#[test]
fn a_level_keeps_the_last_state_and_movements_keep_every_change() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        log.issue("A", "MAIN", 2);
        log.adjust("A", "MAIN", -1);
    });
    let (place, figures) = changes.levels[&pair("A", "MAIN")];
    assert_eq!((place.position, place.version.0, figures), (Position(3), 3, on_hand(2)));
    let deltas: Vec<i64> = changes.movements.iter().map(|one| one.delta.on_hand).collect();
    assert_eq!(deltas, [5, -2, -1]);
    let after: Vec<i64> = changes.movements.iter().map(|one| one.after.on_hand).collect();
    assert_eq!(after, [5, 3, 2]);
}

#[test]
fn a_total_is_over_all_locations_of_one_sku() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        log.receive("A", "SHOP", 7);
        log.issue("A", "SHOP", 3);
        log.receive("B", "SHOP", 100);
    });
    let total = changes.totals[&pair("A", "MAIN").0];
    assert_eq!((total.delta, total.events, total.place.position), (on_hand(9), 3, Position(3)));
}

#[test]
fn the_last_description_of_an_item_counts() {
    let changes = given(|log| {
        log.register_location("MAIN");
        log.register_item("A", 0);
        log.register_item("A", 12);
    });
    let (place, item) = &changes.items[&pair("A", "MAIN").0];
    assert_eq!((place.version.0, item.reorder_point), (2, 12));
    assert_eq!(changes.locations.len(), 1);
    assert!(changes.levels.is_empty() && changes.movements.is_empty());
}

#[test]
fn a_move_changes_two_levels_and_no_total() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        log.move_stock("A", "MAIN", "SHOP", 2);
    });
    assert_eq!(changes.levels[&pair("A", "MAIN")].1, on_hand(3));
    assert_eq!(changes.levels[&pair("A", "SHOP")].1, on_hand(2));
    let total = changes.totals[&pair("A", "MAIN").0];
    assert_eq!((total.delta, total.events), (on_hand(5), 3));
    let types: Vec<&str> = changes.movements.iter().map(|one| one.event_type).collect();
    assert_eq!(types, ["StockReceived", "StockMovedOut", "StockMovedIn"]);
}

#[test]
fn a_retired_item_keeps_its_description() {
    let changes = given(|log| {
        log.register_item("A", 12);
        log.retire_item("A");
    });
    let sku = pair("A", "MAIN").0;
    assert_eq!(changes.items[&sku].1.reorder_point, 12);
    assert_eq!(changes.retired[&sku].version.0, 2);
}

#[test]
fn an_event_in_the_stream_of_something_else_is_refused_and_changes_nothing() {
    let mut log = Log::with_lanes(1);
    log.receive("A", "MAIN", 5);
    log.register_item("A", 0);
    log.register_location("MAIN");
    log.reserve(&[("A", "MAIN", 2, 2)]);
    let stream = "item/B".parse().expect("a stream");
    for recorded in &mut log.events {
        recorded.stream = Clone::clone(&stream);
        for projection in Projection::ALL {
            let mut changes = changes::Changes::none(*projection);
            let event = recorded.event().expect("an event of today");
            assert_eq!(changes.fold(recorded, &event), Err(Unfit::Stream));
            assert_eq!(changes, changes::Changes::none(*projection));
        }
    }
}

#[test]
fn figures_beyond_64_bits_are_refused_and_change_nothing() {
    let mut log = Log::with_lanes(1);
    log.receive("A", "MAIN", i64::MAX);
    log.receive("A", "SHOP", 1);
    refuses_the_last_of(&log.events);
}

#[test]
fn what_is_available_beyond_64_bits_is_refused_and_changes_nothing() {
    let mut log = Log::with_lanes(1);
    log.receive("A", "MAIN", i64::MAX);
    let which = log.reserve(&[("A", "MAIN", 1, 1)]);
    let whole = log.whole(which, Step::Release);
    log.step(which, Step::Release, &whole);
    log.step(which, Step::Release, &whole);
    refuses_the_last_of(&log.events);
}

#[track_caller]
fn refuses_the_last_of(events: &[RecordedEvent]) {
    let (last, earlier) = events.split_last().expect("a log with events");
    let before = folded(earlier);
    let mut changes = before.clone();
    let event = last.event().expect("an event of today");
    assert_eq!(changes.fold(last, &event), Err(Unfit::Overflow));
    assert_eq!(changes, before);
}

#[test]
fn a_reversal_and_a_count_change_only_what_is_there() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        log.reserve(&[("A", "MAIN", 2, 2)]);
        log.reverse("A", "MAIN", -1);
        log.set("A", "MAIN", 3);
    });
    let figures = changes.levels[&pair("A", "MAIN")].1;
    assert_eq!(figures, Figures { on_hand: 7, reserved: 2, allocated: 0 });
    let deltas: Vec<i64> = changes.movements.iter().map(|one| one.delta.on_hand).collect();
    assert_eq!(deltas, [5, 0, -1, 3]);
    let types: Vec<&str> = changes.movements.iter().map(|one| one.event_type).collect();
    assert_eq!(types, ["StockReceived", "StockReserved", "StockReversed", "StockSet"]);
}

#[test]
fn every_name_is_kept_from_where_it_was_given() {
    let changes = given(|log| {
        log.register_location("MAIN");
        log.register_item("A", 0);
        log.register_item("A", 12);
    });
    let names: Vec<_> = changes
        .names
        .iter()
        .map(|one| (one.stream.to_string(), one.place.position.0, one.name.as_str()))
        .collect();
    let expected = [
        ("location/MAIN".to_owned(), 1, "location MAIN"),
        ("item/A".to_owned(), 2, "item A"),
        ("item/A".to_owned(), 3, "item A"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn what_is_held_says_for_whom_and_what_is_counted_does_not() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        let which = log.reserve(&[("A", "MAIN", 2, 2)]);
        let whole = log.whole(which, Step::Confirm);
        log.step(which, Step::Confirm, &whole);
        let whole = log.whole(which, Step::Fulfil);
        log.step(which, Step::Fulfil, &whole);
    });
    let promises: Vec<_> = changes
        .movements
        .iter()
        .map(|one| {
            one.promise.as_ref().map(|for_whom| (for_whom.line, for_whom.expires_at.is_some()))
        })
        .collect();
    assert_eq!(promises, [None, Some((1, true)), Some((1, true)), Some((1, false))]);
}
