//! What each event changes in the tables: given a log, when it is folded, then these rows.

use std::collections::BTreeSet;

use shared_events::event::{Event, Figures};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::{Part, ReservationStatus};
use shared_events::stream::Stream;
use shared_events::transfer::TransferStatus;
use shared_events::values::{AMOUNT_MAX, LocationCode, Sku};

use crate::projection::{Fold as _, Unfit};
use crate::projections::stock::{Changes, ReservationRow, Stock, TransferRow, places};
use crate::sample_log::{self, Log, Step, TransferChange, WaitStep, at};

fn given(record: impl FnOnce(&mut Log)) -> Changes {
    sample_log::given::<Stock>(record)
}

fn folded(events: &[RecordedEvent]) -> Changes {
    sample_log::folded::<Stock>(events)
}

fn on_hand(on_hand: i64) -> Figures {
    Figures { on_hand, ..Figures::default() }
}

fn pair(sku: &str, location: &str) -> (Sku, LocationCode) {
    (sku.parse().expect("a sku"), location.parse().expect("a location"))
}

#[test]
fn a_redaction_names_the_events_whose_references_are_gone() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        log.redact(0);
    });
    let gone: Vec<String> = changes.without_reference.iter().map(ToString::to_string).collect();
    assert_eq!((gone.len(), changes.without_metadata.len()), (1, 0));
    assert!(gone[0].ends_with("-1"), "{gone:?}");
}

#[test]
fn a_receipt_makes_a_level_a_total_and_a_movement() {
    let changes = given(|log| log.receive("A", "MAIN", 5));
    let (at, figures) = changes.levels[&pair("A", "MAIN")];
    assert_eq!((at.position, at.version.0, figures), (Position(1), 1, on_hand(5)));
    let total = changes.totals[&pair("A", "MAIN").0];
    assert_eq!((total.delta, total.events), (on_hand(5).into(), 1));
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
    let (at, figures) = changes.levels[&pair("A", "MAIN")];
    assert_eq!((at.position, at.version.0, figures), (Position(3), 3, on_hand(2)));
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
    assert_eq!((total.delta, total.events, total.at.position), (on_hand(9).into(), 3, Position(3)));
}

#[test]
fn the_last_description_of_an_item_wins() {
    let changes = given(|log| {
        log.register_location("MAIN");
        log.register_item("A", 0);
        log.register_item("A", 12);
    });
    let (at, item) = &changes.items[&pair("A", "MAIN").0];
    assert_eq!((at.version.0, item.reorder_point), (2, 12));
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
    assert_eq!((total.delta, total.events), (on_hand(5).into(), 3));
    let types: Vec<&str> = changes.movements.iter().map(|one| one.event_type).collect();
    assert_eq!(types, ["StockReceived", "StockMovedOut", "StockMovedIn"]);
}

#[test]
fn a_reinstated_item_is_traded_again() {
    let changes = given(|log| {
        log.register_item("A", 12);
        log.retire_item("A");
        log.reinstate_item("A", 12);
    });
    let sku = pair("A", "MAIN").0;
    assert!(changes.retired.is_empty());
    assert_eq!((changes.items[&sku].0.version.0, changes.items[&sku].1.reorder_point), (3, 12));
    let points: Vec<_> =
        changes.reorder_points.iter().map(|one| (one.at.position.0, one.reorder_point)).collect();
    assert_eq!(points, [(1, 12), (2, 0), (3, 12)], "nobody reorders a retired item");
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
fn a_total_of_the_largest_figures_is_exact_beyond_64_bits() {
    let changes = given(|log| {
        for location in 0..1_025 {
            log.receive("A", &format!("L{location}"), AMOUNT_MAX);
        }
    });
    let total = changes.totals[&pair("A", "MAIN").0].delta;
    assert_eq!(total.on_hand, 1_025 * i128::from(AMOUNT_MAX));
    assert!(total.on_hand > i128::from(i64::MAX));
}

#[test]
fn availability_beyond_64_bits_is_refused_and_changes_nothing() {
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
    let event = last.event().expect("a known event");
    assert_eq!(changes.fold(last, &event), Err(Unfit::Overflow));
    assert_eq!(changes, before);
}

#[test]
fn a_reversal_and_a_count_change_only_on_hand() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        log.reserve(&[("A", "MAIN", 2, 2)]);
        log.reverse("A", "MAIN", -1);
        log.set("A", "MAIN", 3);
    });
    assert_eq!(changes.levels[&pair("A", "MAIN")].1, figures(7, 2, 0));
    let deltas: Vec<i64> = changes.movements.iter().map(|one| one.delta.on_hand).collect();
    assert_eq!(deltas, [5, 0, -1, 3]);
    let types: Vec<&str> = changes.movements.iter().map(|one| one.event_type).collect();
    assert_eq!(types, ["StockReceived", "StockReserved", "StockReversed", "StockSet"]);
}

#[test]
fn every_name_is_kept_with_its_position() {
    let changes = given(|log| {
        log.register_location("MAIN");
        log.register_item("A", 0);
        log.register_item("A", 12);
    });
    let names: Vec<_> = changes
        .names
        .iter()
        .map(|one| (one.stream.to_string(), one.at.position.0, one.name.as_str()))
        .collect();
    let expected = [
        ("location/MAIN".to_owned(), 1, "location MAIN"),
        ("item/A".to_owned(), 2, "item A"),
        ("item/A".to_owned(), 3, "item A"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn movements_of_a_reservation_name_its_line_and_the_end_of_the_hold() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        let which = log.reserve(&[("A", "MAIN", 2, 2)]);
        log.step_whole(which, Step::Confirm);
        log.step_whole(which, Step::Fulfil);
    });
    let movements = changes.movements.iter();
    let promises = movements.map(|one| {
        let (_, line, expires_at) = one.promise.as_ref()?;
        Some((*line, expires_at.is_some()))
    });
    let promises: Vec<_> = promises.collect();
    assert_eq!(promises, [None, Some((1, true)), Some((1, true)), Some((1, false))]);
}

fn figures(on_hand: i64, reserved: i64, allocated: i64) -> Figures {
    Figures { on_hand, reserved, allocated, ..Figures::default() }
}

fn only_row(changes: &Changes) -> &ReservationRow {
    assert_eq!(changes.reservations.len(), 1);
    changes.reservations.values().next().expect("there is one")
}

/// The movements of one sku: type, change, and figures afterwards.
fn moved(changes: &Changes, sku: &str) -> Vec<(&'static str, Figures, Figures)> {
    let movements = changes.movements.iter().filter(|one| one.sku.as_str() == sku);
    movements.map(|one| (one.event_type, one.delta, one.after)).collect()
}

#[test]
fn a_reservation_goes_from_partial_to_fulfilled() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        log.receive("B", "MAIN", 9);
        let which = log.reserve(&[("A", "MAIN", 8, 5), ("B", "MAIN", 2, 2), ("C", "MAIN", 1, 0)]);
        log.step(which, Step::Release, &[Part { line: 1, quantity: 1 }]);
        log.step_whole(which, Step::Confirm);
        log.step(which, Step::Fulfil, &[Part { line: 1, quantity: 3 }]);
        log.step(which, Step::Cancel, &[Part { line: 1, quantity: 1 }]);
        log.step_whole(which, Step::Fulfil);
        log.step(which, Step::Return, &[Part { line: 1, quantity: 1 }]);
    });
    assert_eq!(
        moved(&changes, "A")[1..],
        [
            ("StockReserved", figures(0, 5, 0), figures(5, 5, 0)),
            ("StockReleased", figures(0, -1, 0), figures(5, 4, 0)),
            ("StockAllocated", figures(0, -4, 4), figures(5, 0, 4)),
            ("StockFulfilled", figures(-3, 0, -3), figures(2, 0, 1)),
            ("StockDeallocated", figures(0, 0, -1), figures(2, 0, 0)),
            ("StockReturned", figures(1, 0, 0), figures(3, 0, 0)),
        ]
    );
    assert_eq!(changes.levels[&pair("A", "MAIN")].1, figures(3, 0, 0));
    assert_eq!(changes.levels[&pair("B", "MAIN")].1, figures(7, 0, 0));
    let total = changes.totals[&pair("A", "MAIN").0];
    assert_eq!((total.delta, total.events), (figures(3, 0, 0).into(), 7));
    assert!(!changes.levels.contains_key(&pair("C", "MAIN")), "nothing was held of it");

    let ReservationRow { at: last, made_at, reservation } = only_row(&changes);
    assert_eq!((last.version.0, reservation.status), (7, ReservationStatus::Fulfilled));
    assert_eq!((*made_at, reservation.expires_at), (at(2), at(1_000)));
    assert_eq!(reservation.reference.as_ref().map(|one| one.id.as_str()), Some("o-1"));
    let lines = reservation.lines.iter();
    let amounts = lines.map(|one| (one.quantity, one.released, one.fulfilled, one.returned));
    assert_eq!(amounts.collect::<Vec<_>>(), [(5, 2, 3, 1), (2, 0, 2, 0), (0, 0, 0, 0)]);
}

#[test]
fn an_extended_hold_is_a_movement_without_a_change() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        let which = log.reserve(&[("A", "MAIN", 2, 2)]);
        log.step_whole(which, Step::Extend);
    });
    let last = ("StockHoldExtended", figures(0, 0, 0), figures(5, 2, 0));
    assert_eq!(moved(&changes, "A").last(), Some(&last));
    assert_eq!(changes.levels[&pair("A", "MAIN")].0.version.0, 3);
    assert_eq!(changes.totals[&pair("A", "MAIN").0].events, 3);
    let row = only_row(&changes);
    assert_eq!((row.reservation.expires_at, row.at.version.0), (at(2_000), 2));
}

#[test]
fn an_expired_hold_releases_its_stock() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        let which = log.reserve(&[("A", "MAIN", 2, 2)]);
        log.step_whole(which, Step::Expire);
    });
    let last = ("StockHoldExpired", figures(0, -2, 0), figures(5, 0, 0));
    assert_eq!(moved(&changes, "A").last(), Some(&last));
    let row = only_row(&changes);
    assert_eq!(row.reservation.status, ReservationStatus::Expired);
    assert_eq!(row.reservation.lines[0].released, 2);
}

#[test]
fn a_transfer_goes_from_one_location_to_the_other_in_parts() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 10);
        let which = log.dispatch(&[("A", "MAIN", "SHOP", 9)]);
        log.transfer(which, TransferChange::Receive, 4);
        log.transfer(which, TransferChange::Return, 2);
        log.transfer(which, TransferChange::Overdue, 0);
        log.transfer(which, TransferChange::Close, 3);
    });
    let figures = |on_hand, incoming| Figures { on_hand, incoming, ..Figures::default() };
    assert_eq!(
        moved(&changes, "A")[1..],
        [
            ("StockDispatched", figures(-9, 0), figures(1, 0)),
            ("StockExpected", figures(0, 9), figures(0, 9)),
            ("StockArrived", figures(4, -4), figures(4, 5)),
            ("StockRecalled", figures(0, -2), figures(4, 3)),
            ("StockBroughtBack", figures(2, 0), figures(3, 0)),
            ("StockLost", figures(0, -3), figures(4, 0)),
        ]
    );
    assert_eq!(changes.levels[&pair("A", "SHOP")].1, figures(4, 0));
    assert_eq!(changes.levels[&pair("A", "MAIN")].1, figures(3, 0));
    let total = changes.totals[&pair("A", "MAIN").0];
    assert_eq!((total.delta, total.events), (figures(7, 0).into(), 7));
    assert!(changes.movements[1..].iter().all(|one| one.transfer.is_some()));

    assert_eq!(changes.transfers.len(), 1);
    let TransferRow { at: last, made_at, transfer } = changes.transfers.values().next().unwrap();
    assert_eq!((last.version.0, transfer.status), (5, TransferStatus::Closed));
    assert_eq!((*made_at, transfer.expected_at, transfer.overdue), (at(1), Some(at(1_000)), true));
    let line = &transfer.lines[0];
    assert_eq!((line.received, line.lost, line.returned, line.open()), (4, 3, 2, 0));
    let places: Vec<(bool, &str)> = places(transfer)
        .into_iter()
        .map(|(leaves, location)| (leaves, location.as_str()))
        .collect();
    assert_eq!(places, [(false, "SHOP"), (true, "MAIN")]);
}

#[test]
fn the_reservations_lane_writes_its_row_and_the_skus_lanes_write_the_figures() {
    let mut log = Log::with_lanes(2);
    let lane =
        |log: &Log, sku: &str| log.lane_map.lane_of(&Stream::Item(sku.parse().expect("a sku")));
    let skus = ["A", "B", "C", "D", "E", "F", "G", "H"];
    let other = skus.into_iter().find(|sku| lane(&log, sku) != lane(&log, "A"));
    let other = other.expect("eight skus do not all share one of two lanes");
    log.reserve(&[("A", "MAIN", 2, 2), (other, "MAIN", 3, 3)]);
    let of_lane = |lane: Lane| {
        let events: Vec<_> = log.lane(lane).into_iter().cloned().collect();
        folded(&events)
    };
    let (own, others) = (of_lane(lane(&log, "A")), of_lane(lane(&log, other)));
    assert_eq!(only_row(&own).reservation.lines.len(), 2);
    assert!(others.reservations.is_empty());
    assert!(own.levels.keys().eq([&pair("A", "MAIN")]));
    assert!(others.levels.keys().eq([&pair(other, "MAIN")]));
}

#[test]
fn the_sample_log_has_every_type_of_event() {
    let mut log = Log::with_lanes(1);
    log.register_item("A", 0);
    log.register_item("A", 3);
    log.retire_item("A");
    log.reinstate_item("A", 3);
    log.register_location("MAIN");
    log.register_location("MAIN");
    log.receive("A", "MAIN", 50);
    log.issue("A", "MAIN", 1);
    log.adjust("A", "MAIN", 1);
    log.set("A", "MAIN", 1);
    log.move_stock("A", "MAIN", "SHOP", 1);
    log.reverse("A", "MAIN", -1);
    let which = log.dispatch(&[("A", "MAIN", "SHOP", 9)]);
    for change in TransferChange::ALL {
        log.transfer(which, change, 3);
    }
    let which = log.wait("A", "MAIN", 9, 5);
    for step in WaitStep::ALL {
        log.wait_step(which, step, 3);
    }
    let which = log.reserve(&[("A", "MAIN", 8, 8)]);
    for step in Step::ALL {
        log.step(which, step, &[Part { line: 1, quantity: 1 }]);
    }
    log.refuse_step(which);
    log.forget_subject("c-81");
    log.redact(0);
    for ways in [&[2, 0, 0, 0, 0][..], &[0, 0, 1, 0], &[0, 0, 2, 0, 0, 0, 1], &[0, 0, 3], &[3]] {
        let order = log.place_order("customer-1", "A", 2);
        ways.iter().for_each(|way| log.continue_order(order, *way));
    }
    let recorded: BTreeSet<&str> = log.events.iter().map(|one| one.event_type.as_str()).collect();
    let all: BTreeSet<&str> = Event::TYPES.iter().map(|(name, _)| *name).collect();
    assert_eq!(recorded, all);
    let changes = folded(&log.events);
    let of_stock = log.events.iter().filter(|one| matches!(one.stream, Stream::Stock(..))).count();
    assert_eq!(changes.movements.len(), of_stock);
}
