//! However a log is delivered, the same alerts come about, once each, and they are what a walk over
//! the whole log says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shared_events::recorded::EventId;
use shared_events::values::{LocationCode, Sku};

use crate::projection::Projection;
use crate::projection::changes::Changes;
use crate::projection::low_stock::{Alert, AlertId, AlertState, Item, settle};
use crate::projection::plan::Plan;
use crate::projection::plan::properties::{delivered, log_of, told};
use crate::projection::stock::sample::Log;

/// The rows, as their statements keep them, and the alerts in the order they came about.
fn written(plans: &[Plan]) -> (BTreeMap<Sku, Item>, Vec<Alert>) {
    let (mut items, mut alerts) = (BTreeMap::<Sku, Item>::new(), Vec::new());
    for plan in plans {
        let Changes::LowStock(changes) = &plan.changes else {
            panic!("a plan for another projection");
        };
        for (sku, changes) in &changes.items {
            let item = items.entry(sku.clone()).or_default();
            alerts.extend(settle(sku, item, changes));
        }
    }
    (items, alerts)
}

/// An alert by its name, with its state.
type Told = BTreeMap<String, (AlertState, i64, i64)>;

/// The same by a walk over what each event says in JSON.
fn walked(log: &Log) -> Told {
    let mut points: BTreeMap<String, i64> = BTreeMap::new();
    let mut levels: BTreeMap<(String, String), (i64, bool)> = BTreeMap::new();
    let mut told = Told::new();
    for recorded in &log.events {
        let data: serde_json::Value = serde_json::from_str(recorded.data.get()).expect("JSON");
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let sku = text("sku");
        match recorded.event_type.as_str() {
            "ItemRegistered" | "ItemChanged" | "ItemRetired" => {
                points.insert(sku.clone(), data["reorder_point"].as_i64().unwrap_or_default());
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
                assert!(told.insert(name, (state, *available, point)).is_none());
            }
        }
    }
    told
}

proptest! {
    #[test]
    fn any_delivery_gives_the_alerts_that_a_walk_over_the_log_gives(
        tellings in prop::collection::vec(told(), 1..60),
        sizes in prop::collection::vec(1..20usize, 1..6),
        times in 1..=5usize,
    ) {
        let log = log_of(&tellings);
        let (items, alerts) = written(&delivered(&log, Projection::LowStock, &sizes, times));
        let id = |alert: &Alert| {
            let Alert { place, location, .. } = alert;
            AlertId(EventId(place.lane, place.position), location.clone())
        };
        let ids: BTreeSet<AlertId> = alerts.iter().map(id).collect();
        prop_assert_eq!(ids.len(), alerts.len(), "an alert came twice");
        let told: Told = alerts
            .iter()
            .map(|alert| {
                let state = AlertState::of(alert.raised);
                (id(alert).to_string(), (state, alert.available, alert.reorder_point))
            })
            .collect();
        prop_assert_eq!(&told, &walked(&log));

        let at_once = written(&delivered(&log, Projection::LowStock, &[1_000], 1)).0;
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
