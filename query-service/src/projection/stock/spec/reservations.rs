//! What the steps of a reservation do: to its row, and to the stock of its lines.

use std::collections::BTreeSet;

use shared_events::event::{Event, Figures};
use shared_events::lane::Lane;
use shared_events::reservation::{Part, ReservationStatus};
use shared_events::stream::Stream;

use super::{folded, given, pair};
use crate::projection::stock::sample::hold::Step;
use crate::projection::stock::sample::{Log, at};
use crate::projection::stock::{Changes, ReservationRow};

fn figures(on_hand: i64, reserved: i64, allocated: i64) -> Figures {
    Figures { on_hand, reserved, allocated }
}

fn take_whole(log: &mut Log, which: usize, step: Step) {
    let whole = log.whole(which, step);
    log.step(which, step, &whole);
}

fn only_row(changes: &Changes) -> &ReservationRow {
    assert_eq!(changes.reservations.len(), 1);
    changes.reservations.values().next().expect("there is one")
}

/// The movements of one sku, as what each did and what was there afterwards.
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
        take_whole(log, which, Step::Confirm);
        log.step(which, Step::Fulfil, &[Part { line: 1, quantity: 3 }]);
        log.step(which, Step::Cancel, &[Part { line: 1, quantity: 1 }]);
        take_whole(log, which, Step::Fulfil);
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
    assert_eq!((total.delta, total.events), (figures(3, 0, 0), 7));
    assert!(!changes.levels.contains_key(&pair("C", "MAIN")), "nothing was held of it");

    let ReservationRow { place, made_at, reservation } = only_row(&changes);
    assert_eq!((place.version.0, reservation.status), (7, ReservationStatus::Fulfilled));
    assert_eq!((*made_at, reservation.expires_at), (at(2), at(1_000)));
    assert_eq!(reservation.reference.as_ref().map(|one| one.id.as_str()), Some("o-1"));
    let lines = reservation.lines.iter();
    let amounts = lines.map(|one| (one.quantity, one.released, one.fulfilled, one.returned));
    assert_eq!(amounts.collect::<Vec<_>>(), [(5, 2, 3, 1), (2, 0, 2, 0), (0, 0, 0, 0)]);
}

#[test]
fn a_hold_that_is_extended_is_a_movement_that_changes_no_figure() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        let which = log.reserve(&[("A", "MAIN", 2, 2)]);
        take_whole(log, which, Step::Extend);
    });
    let last = ("StockHoldExtended", figures(0, 0, 0), figures(5, 2, 0));
    assert_eq!(moved(&changes, "A").last(), Some(&last));
    assert_eq!(changes.levels[&pair("A", "MAIN")].0.version.0, 3);
    assert_eq!(changes.totals[&pair("A", "MAIN").0].events, 3);
    let row = only_row(&changes);
    assert_eq!((row.reservation.expires_at, row.place.version.0), (at(2_000), 2));
}

#[test]
fn a_hold_that_ends_by_itself_gives_back_what_it_held() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 5);
        let which = log.reserve(&[("A", "MAIN", 2, 2)]);
        take_whole(log, which, Step::Expire);
    });
    let last = ("StockHoldExpired", figures(0, -2, 0), figures(5, 0, 0));
    assert_eq!(moved(&changes, "A").last(), Some(&last));
    let row = only_row(&changes);
    assert_eq!(row.reservation.status, ReservationStatus::Expired);
    assert_eq!(row.reservation.lines[0].released, 2);
}

#[test]
fn a_row_is_written_from_the_reservations_own_lane_and_figures_from_those_of_the_skus() {
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
fn the_sample_log_tells_every_type_of_event() {
    let mut log = Log::with_lanes(1);
    log.register_item("A", 0);
    log.register_item("A", 3);
    log.retire_item("A");
    log.register_location("MAIN");
    log.register_location("MAIN");
    log.receive("A", "MAIN", 50);
    log.issue("A", "MAIN", 1);
    log.adjust("A", "MAIN", 1);
    log.set("A", "MAIN", 1);
    log.move_stock("A", "MAIN", "SHOP", 1);
    log.reverse("A", "MAIN", -1);
    let which = log.reserve(&[("A", "MAIN", 8, 8)]);
    for step in Step::ALL {
        log.step(which, step, &[Part { line: 1, quantity: 1 }]);
    }
    let told: BTreeSet<&str> = log.events.iter().map(|one| one.event_type.as_str()).collect();
    let all: BTreeSet<&str> = Event::TYPES.iter().map(|(name, _)| *name).collect();
    assert_eq!(told, all);
    let changes = folded(&log.events);
    let of_stock = log.events.iter().filter(|one| matches!(one.stream, Stream::Stock(..))).count();
    assert_eq!(changes.movements.len(), of_stock);
}
