//! When an item becomes short and when it is so no longer: given a log, then these alerts.

use crate::projection::low_stock::{AlertId, Changes, Item, settle};
use crate::projection::stock::sample::Log;
use shared_events::recorded::EventId;

/// Every alert of a log of one item, as id, state, available and reorder point.
fn alerts(tell: impl FnOnce(&mut Log)) -> Vec<(String, bool, i64, i64)> {
    let mut log = Log::with_lanes(1);
    tell(&mut log);
    let mut changes = Changes::default();
    for recorded in &log.events {
        let event = recorded.event().expect("an event of today");
        changes.fold(recorded, &event).expect("an event that fits");
    }
    let mut alerts = Vec::new();
    for (sku, changes) in &changes.items {
        alerts.extend(settle(sku, &mut Item::default(), changes));
    }
    let told = alerts.into_iter().map(|alert| {
        let id = AlertId(EventId(alert.place.lane, alert.place.position), alert.location);
        (id.to_string(), alert.raised, alert.available, alert.reorder_point)
    });
    told.collect()
}

fn alert(id: &str, raised: bool, available: i64, reorder_point: i64) -> (String, bool, i64, i64) {
    (id.to_owned(), raised, available, reorder_point)
}

#[test]
fn an_item_is_short_at_its_reorder_point_and_again_only_after_it_was_well_above() {
    let alerts = alerts(|log| {
        log.register_item("A", 20);
        log.receive("A", "MAIN", 21);
        log.issue("A", "MAIN", 1);
        log.issue("A", "MAIN", 5);
        log.receive("A", "MAIN", 7);
        log.issue("A", "MAIN", 4);
        log.receive("A", "MAIN", 5);
        log.issue("A", "MAIN", 3);
    });
    // 21, 20 raised, 15, 22 is not above 20 + 2, 18, 23 cleared, 20 raised.
    let expected = [
        alert("0-3-MAIN", true, 20, 20),
        alert("0-7-MAIN", false, 23, 20),
        alert("0-8-MAIN", true, 20, 20),
    ];
    assert_eq!(alerts, expected);
}

#[test]
fn what_is_held_is_not_available() {
    let alerts = alerts(|log| {
        log.register_item("A", 5);
        log.receive("A", "MAIN", 10);
        log.reserve(&[("A", "MAIN", 6, 6)]);
    });
    assert_eq!(alerts, [alert("0-4-MAIN", true, 4, 5)]);
}

#[test]
fn one_change_of_the_reorder_point_alerts_at_every_location_it_concerns() {
    let alerts = alerts(|log| {
        log.receive("A", "MAIN", 10);
        log.receive("A", "SHOP", 3);
        log.receive("A", "EAST", 50);
        log.register_item("A", 12);
        log.register_item("A", 0);
    });
    let expected = [
        alert("0-4-MAIN", true, 10, 12),
        alert("0-4-SHOP", true, 3, 12),
        alert("0-5-MAIN", false, 10, 0),
        alert("0-5-SHOP", false, 3, 0),
    ];
    assert_eq!(alerts, expected);
}

#[test]
fn an_item_without_a_reorder_point_is_never_short() {
    let alerts = alerts(|log| {
        log.register_item("A", 0);
        log.receive("A", "MAIN", 1);
        log.issue("A", "MAIN", 1);
    });
    assert_eq!(alerts, []);
}

#[test]
fn a_retired_item_is_short_no_longer() {
    let alerts = alerts(|log| {
        log.register_item("A", 5);
        log.receive("A", "MAIN", 1);
        log.issue("A", "MAIN", 1);
        log.retire_item("A");
    });
    assert_eq!(alerts, [alert("0-2-MAIN", true, 1, 5), alert("0-4-MAIN", false, 0, 0)]);
}
