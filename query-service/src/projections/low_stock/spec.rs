//! When an item becomes short and when it is no longer short: given a log, then these alerts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared_events::order::StepName;
use shared_events::recorded::EventId;
use shared_events::values::{LocationCode, Sku};

use crate::pipeline::plan::Plan;
use crate::pipeline::properties::{changes_of, delivered};
use crate::projections::low_stock::fold::{Alert, Item, evaluate};
use crate::projections::low_stock::{AlertId, AlertState, LowStock};
use crate::projections::view::View;
use crate::sample_log::{Log, TransferChange, actions, at, given, log_of};

/// Every alert of a log of one item, as id, state, available and reorder point.
fn alerts(record: impl FnOnce(&mut Log)) -> Vec<(String, bool, i64, i64)> {
    let changes = given::<LowStock>(record);
    let mut alerts = Vec::new();
    for (sku, changes) in &changes.items {
        alerts.extend(evaluate(sku, &mut Item::default(), changes));
    }
    let shown = alerts
        .into_iter()
        .map(|alert| (id(&alert).to_string(), alert.raised, alert.available, alert.reorder_point));
    shown.collect()
}

fn id(alert: &Alert) -> AlertId {
    AlertId(EventId(alert.at.lane, alert.at.position), alert.location.clone())
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
fn held_stock_is_not_available() {
    let alerts = alerts(|log| {
        log.register_item("A", 5);
        log.receive("A", "MAIN", 10);
        log.reserve(&[("A", "MAIN", 6, 6)]);
    });
    assert_eq!(alerts, [alert("0-4-MAIN", true, 4, 5)]);
}

#[test]
fn a_new_reorder_point_raises_alerts_at_every_location_concerned() {
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
fn a_retired_item_is_no_longer_short() {
    let alerts = alerts(|log| {
        log.register_item("A", 5);
        log.receive("A", "MAIN", 1);
        log.issue("A", "MAIN", 1);
        log.retire_item("A");
    });
    assert_eq!(alerts, [alert("0-2-MAIN", true, 1, 5), alert("0-4-MAIN", false, 0, 0)]);
}

#[test]
fn an_overdue_transfer_is_reported_once_with_the_time_it_was_expected_at() {
    let changes = given::<LowStock>(|log| {
        log.receive("A", "MAIN", 9);
        let late = log.dispatch(&[("A", "MAIN", "SHOP", 4)]);
        log.dispatch(&[("A", "MAIN", "SHOP", 4)]);
        log.transfer(late, TransferChange::Overdue, 0);
        log.transfer(late, TransferChange::Receive, 4);
    });
    let [overdue] = changes.overdue.as_slice() else { panic!("{:?}", changes.overdue) };
    assert_eq!((overdue.at.position.0, overdue.expected_at), (8, at(1_000)));
    let document = overdue.reference.as_ref().map(|document| document.id.as_str());
    assert_eq!(document, Some("d-1"));
}

#[test]
fn what_is_on_its_way_is_not_available() {
    let alerts = alerts(|log| {
        log.register_item("A", 5);
        log.receive("A", "MAIN", 10);
        let which = log.dispatch(&[("A", "MAIN", "SHOP", 7)]);
        log.transfer(which, TransferChange::Receive, 7);
    });
    let of = |event: &str, raised, available| alert(event, raised, available, 5);
    let ends = [of("0-4-MAIN", true, 3), of("0-5-SHOP", true, 0), of("0-7-SHOP", false, 7)];
    assert_eq!(alerts, ends);
}

#[test]
fn a_reinstated_item_is_short_again() {
    let alerts = alerts(|log| {
        log.register_item("A", 5);
        log.receive("A", "MAIN", 1);
        log.retire_item("A");
        log.reinstate_item("A", 5);
    });
    let of = |event: &str, raised, reorder_point| alert(event, raised, 1, reorder_point);
    let ends = [of("0-2-MAIN", true, 5), of("0-3-MAIN", false, 0), of("0-4-MAIN", true, 5)];
    assert_eq!(alerts, ends);
}

/// The rows, as the statements keep them, and the alerts in order.
fn written(plans: &[Plan]) -> (BTreeMap<Sku, Item>, Vec<Alert>) {
    let (mut items, mut alerts) = (BTreeMap::<Sku, Item>::new(), Vec::new());
    for plan in plans {
        for (sku, changes) in &changes_of::<LowStock>(plan).items {
            let item = items.entry(sku.clone()).or_default();
            alerts.extend(evaluate(sku, item, changes));
        }
    }
    (items, alerts)
}

/// The state, available and reorder point of each alert, by name.
type Alerts = BTreeMap<String, (AlertState, i64, i64)>;

/// The same, from the JSON of each event.
fn walked(log: &Log) -> Alerts {
    let mut points: BTreeMap<String, i64> = BTreeMap::new();
    let mut levels: BTreeMap<(String, String), (i64, bool)> = BTreeMap::new();
    let mut alerts = Alerts::new();
    for recorded in &log.events {
        let data: serde_json::Value = serde_json::from_str(recorded.data.get()).expect("JSON");
        let is_back = recorded.event_type == "ItemReinstated";
        let subject = if is_back { &data["after"] } else { &data };
        let text = |name: &str| subject[name].as_str().unwrap_or_default().to_owned();
        let sku = text("sku");
        match recorded.event_type.as_str() {
            "ItemRegistered" | "ItemChanged" | "ItemRetired" | "ItemReinstated" => {
                points.insert(sku.clone(), subject["reorder_point"].as_i64().unwrap_or_default());
            }
            kind if kind.starts_with("Stock") => {
                let figure = |name: &str| data["after"][name].as_i64().expect("a figure");
                let available = figure("on_hand") - figure("reserved") - figure("allocated");
                levels.entry((sku.clone(), text("location"))).or_default().0 = available;
            }
            _ => continue,
        }
        let point = points.get(&sku).copied().unwrap_or_default();
        for ((of, location), (available, raised)) in &mut levels {
            let goes_up = !*raised && point > 0 && *available <= point;
            let above = *available > point + (point / 10).max(1);
            let comes_down = *raised && (point == 0 || above);
            if *of == sku && (goes_up || comes_down) {
                *raised = goes_up;
                let state = AlertState::of(*raised);
                let name = format!("{}-{location}", recorded.id());
                assert!(alerts.insert(name, (state, *available, point)).is_none());
            }
        }
    }
    alerts
}

#[test]
fn an_order_that_needs_an_operator_is_announced_each_time_it_does() {
    let changes = given::<LowStock>(|log| {
        let order = log.place_order("customer-1", "A", 2);
        for way in [0, 0, 2, 0, 0, 0, 0] {
            log.continue_order(order, way);
        }
    });
    let stuck: Vec<_> = changes.stuck.iter().map(|one| (one.at.version.0, one.step)).collect();
    assert_eq!(stuck, [(6, StepName::Void), (8, StepName::Void)]);
}

proptest! {
    #[test]
    fn any_delivery_gives_the_alerts_that_a_walk_over_the_log_gives(
        actions in actions(1..60),
        sizes in prop::collection::vec(1..20usize, 1..6),
        times in 1..=5usize,
    ) {
        let log = log_of(&actions);
        let (items, alerts) = written(&delivered(&log, LowStock::PROJECTION, &sizes, times));
        let ids: BTreeSet<AlertId> = alerts.iter().map(id).collect();
        prop_assert_eq!(ids.len(), alerts.len(), "an alert came twice");
        let shown: Alerts = alerts
            .iter()
            .map(|alert| {
                let state = AlertState::of(alert.raised);
                (id(alert).to_string(), (state, alert.available, alert.reorder_point))
            })
            .collect();
        prop_assert_eq!(&shown, &walked(&log));

        let at_once = written(&delivered(&log, LowStock::PROJECTION, &[1_000], 1)).0;
        for (sku, item) in &items {
            prop_assert_eq!(&item.levels, &at_once[sku].levels);
        }
        let mut last: BTreeMap<(&Sku, &LocationCode), bool> = BTreeMap::new();
        for alert in &alerts {
            let was = last.insert((&alert.sku, &alert.location), alert.raised);
            prop_assert_eq!(was.unwrap_or(false), !alert.raised, "raised and cleared take turns");
        }
    }
}
