//! What the view knows of orders: given a log, when it is folded, then these rows.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shared_events::lane::EventId;
use shared_events::order::{OrderStatus, StepName};
use shared_events::values::OrderId;

use crate::pipeline::properties::{changes_of, delivered};
use crate::projection::Fold as _;
use crate::projections::orders::Orders;
use crate::projections::orders::fold::{Changes, OrderRow};
use crate::projections::view::View;
use crate::sample_log::{Log, actions, given, log_of};

/// The events of a row's steps, by the step's name.
fn events(row: &OrderRow) -> Vec<(StepName, String)> {
    row.events.iter().map(|(name, event)| (*name, event.to_string())).collect()
}

#[test]
fn an_order_is_shown_as_it_stands_with_the_event_of_each_step() {
    let changes: Changes = given::<Orders>(|log| {
        let order = log.place_order("customer-1", "A", 3);
        log.receive("A", "MAIN", 1);
        for _ in 0..4 {
            log.continue_order(order, 0);
        }
    });
    let row = changes.orders.values().next().expect("one order");
    assert_eq!(row.order.status, OrderStatus::Confirmed);
    assert_eq!((row.at.version.0, row.at.position.0), (5, 6));
    let expected = [
        (StepName::Reserve, "0-3".to_owned()),
        (StepName::Authorise, "0-5".to_owned()),
        (StepName::Confirm, "0-6".to_owned()),
    ];
    assert_eq!(events(row), expected);
}

#[test]
fn an_order_keeps_the_time_at_which_it_was_placed() {
    let mut log = Log::with_lanes(1);
    let order = log.place_order("customer-1", "A", 3);
    let placed_at = log.events[0].recorded_at;
    log.continue_order(order, 0);
    let mut changes = Changes::default();
    for recorded in &log.events {
        let event = recorded.event().expect("a known event");
        changes.fold(recorded, &event).expect("an event that fits");
    }
    let row = changes.orders.values().next().expect("one order");
    assert_eq!(row.made_at, placed_at);
    assert!(row.at.recorded_at >= placed_at);
}

/// The rows after these batches, as the statement merges them.
fn merged(batches: Vec<Changes>) -> BTreeMap<OrderId, OrderRow> {
    let mut rows: BTreeMap<OrderId, OrderRow> = BTreeMap::new();
    for (id, new) in batches.into_iter().flat_map(|batch| batch.orders) {
        match rows.get_mut(&id) {
            None => drop(rows.insert(id, new)),
            Some(row) if row.at.position < new.at.position => {
                let mut events = row.events.clone();
                events.extend(new.events);
                *row = OrderRow { made_at: row.made_at, events, ..new };
            }
            Some(_) => {}
        }
    }
    rows
}

proptest! {
    #[test]
    fn any_delivery_gives_the_orders_that_a_walk_over_the_log_gives(
        actions in actions(1..60),
        sizes in prop::collection::vec(1..20usize, 1..6),
        times in 1..=5usize,
    ) {
        let log = log_of(&actions);
        let batches = delivered(&log, Orders::PROJECTION, &sizes, times);
        let batches = batches.iter().map(|plan| changes_of::<Orders>(plan).clone()).collect();
        let mut walked: BTreeMap<OrderId, (OrderStatus, BTreeMap<StepName, EventId>)> = BTreeMap::new();
        for recorded in &log.events {
            let event = recorded.event().expect("a known event");
            if let Some(step) = event.order_step() {
                let order = &step.after;
                let (status, events) = walked.entry(order.id.clone()).or_insert((order.status, BTreeMap::new()));
                *status = order.status;
                let last = order.steps.last().expect("a step");
                events.insert(last.name, recorded.id());
            }
        }
        let rows = merged(batches).into_iter();
        let rows: BTreeMap<_, _> = rows.map(|(id, row)| (id, (row.order.status, row.events))).collect();
        prop_assert_eq!(rows, walked);
    }
}
