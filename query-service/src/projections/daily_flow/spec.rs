//! What each event adds: given a log, when it is folded, then these days.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::*;
use shared_events::lane::Position;
use shared_events::values::{AMOUNT_MAX, Sku};

use crate::pipeline::plan::Plan;
use crate::pipeline::properties::{changes_of, delivered};
use crate::projections::daily_flow::DailyFlow;
use crate::projections::daily_flow::fold::{Changes, Flow};
use crate::projections::view::View;
use crate::sample_log::{self, Log, Step, TransferChange, actions, at, log_of};

const DAY: i64 = 86_400;

fn given(record: impl FnOnce(&mut Log)) -> Changes {
    sample_log::given::<DailyFlow>(record)
}

/// The days of the only item, from the first day there is.
fn days(changes: &Changes) -> Vec<(String, Flow)> {
    changes.days.iter().map(|((_, day), (_, flow))| (day.to_string(), *flow)).collect()
}

fn flow(incoming: i128, outgoing: i128, returned: i128, adjusted: i128) -> Flow {
    Flow { incoming, outgoing, returned, adjusted, transferred: 0 }
}

#[test]
fn movements_are_counted_by_their_kind() {
    let changes = given(|log| {
        log.register_item("A", 0);
        log.receive("A", "MAIN", 20);
        log.issue("A", "MAIN", 3);
        log.adjust("A", "MAIN", -2);
        log.set("A", "MAIN", 1);
        log.reverse("A", "MAIN", -4);
    });
    assert_eq!(days(&changes), [("1970-01-01".to_owned(), flow(20, 3, 0, -5))]);
    let counted: Vec<i64> = changes.items.values().map(|counted| counted.events).collect();
    assert_eq!(counted, [6]);
}

#[test]
fn an_event_counts_on_the_day_it_happened_even_if_recorded_later() {
    let changes = given(|log| {
        log.happened_at(at(2 * DAY));
        log.receive("A", "MAIN", 20);
        log.happened_at(at(2 * DAY - 1));
        log.receive("A", "MAIN", 5);
        log.happened_at(at(3 * DAY - 1));
        log.issue("A", "MAIN", 1);
    });
    let expected =
        [("1970-01-02".to_owned(), flow(5, 0, 0, 0)), ("1970-01-03".to_owned(), flow(20, 1, 0, 0))];
    assert_eq!(days(&changes), expected);
}

#[test]
fn a_reservation_counts_when_it_is_fulfilled_and_when_it_is_returned() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 20);
        let which = log.reserve(&[("A", "MAIN", 4, 4)]);
        for step in [Step::Confirm, Step::Fulfil, Step::Return] {
            log.step_whole(which, step);
        }
    });
    assert_eq!(days(&changes), [("1970-01-01".to_owned(), flow(20, 4, 4, 0))]);
}

#[test]
fn a_move_does_not_count() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 20);
        log.move_stock("A", "MAIN", "SHOP", 7);
    });
    assert_eq!(days(&changes), [("1970-01-01".to_owned(), flow(20, 0, 0, 0))]);
}

#[test]
fn a_transfer_counts_when_goods_leave_and_when_they_come_in_or_back() {
    let changes = given(|log| {
        log.receive("A", "MAIN", 20);
        let which = log.dispatch(&[("A", "MAIN", "SHOP", 9)]);
        log.happened_at(at(DAY));
        log.transfer(which, TransferChange::Receive, 4);
        log.transfer(which, TransferChange::Return, 2);
        log.transfer(which, TransferChange::Close, 3);
    });
    let first = Flow { transferred: -9, ..flow(20, 0, 0, 0) };
    let second = Flow { transferred: 6, ..flow(0, 0, 0, 0) };
    let expected = [("1970-01-01".to_owned(), first), ("1970-01-02".to_owned(), second)];
    assert_eq!(days(&changes), expected);
}

#[test]
fn a_day_of_the_largest_amounts_is_summed_beyond_64_bits() {
    let changes = given(|log| {
        for _ in 0..1_025 {
            log.receive("A", "MAIN", AMOUNT_MAX);
            log.issue("A", "MAIN", AMOUNT_MAX);
        }
        log.adjust("A", "MAIN", AMOUNT_MAX);
    });
    let sum = 1_025 * i128::from(AMOUNT_MAX);
    assert!(sum > i128::from(i64::MAX));
    let expected = flow(sum, sum, 0, AMOUNT_MAX.into());
    assert_eq!(days(&changes), [("1970-01-01".to_owned(), expected)]);
}

type Days = BTreeMap<(Sku, NaiveDate), Flow>;

/// The rows, as the statement keeps them.
fn written(plans: &[Plan]) -> Days {
    let mut rows: BTreeMap<(Sku, NaiveDate), (Position, Flow)> = BTreeMap::new();
    for plan in plans {
        for (day, (at, added)) in &changes_of::<DailyFlow>(plan).days {
            let (position, flow) = rows.entry(day.clone()).or_default();
            assert!(*position < at.position, "applied twice");
            *position = at.position;
            flow.incoming += added.incoming;
            flow.outgoing += added.outgoing;
            flow.returned += added.returned;
            flow.adjusted += added.adjusted;
            flow.transferred += added.transferred;
        }
    }
    rows.into_iter().map(|(day, (_, flow))| (day, flow)).collect()
}

/// The same, counted from the JSON of each event.
fn counted(log: &Log) -> Days {
    let mut days = Days::new();
    for recorded in &log.events {
        let data: serde_json::Value = serde_json::from_str(recorded.data.get()).expect("JSON");
        let number = |name: &str| i128::from(data[name].as_i64().unwrap_or_default());
        let flow = Flow::default();
        let flow = match recorded.event_type.as_str() {
            "StockReceived" => Flow { incoming: number("quantity"), ..flow },
            "StockIssued" | "StockFulfilled" => Flow { outgoing: number("quantity"), ..flow },
            "StockReturned" => Flow { returned: number("quantity"), ..flow },
            "StockAdjusted" | "StockSet" | "StockReversed" => {
                Flow { adjusted: number("delta"), ..flow }
            }
            "StockDispatched" => Flow { transferred: -number("quantity"), ..flow },
            "StockArrived" | "StockBroughtBack" => Flow { transferred: number("quantity"), ..flow },
            _ => continue,
        };
        let sku: Sku = data["sku"].as_str().expect("a sku").parse().expect("a sku");
        let day = days.entry((sku, recorded.occurred_at.to_utc().date_naive())).or_default();
        *day = day.plus(flow);
    }
    days
}

proptest! {
    #[test]
    fn any_delivery_gives_the_days_that_a_count_of_the_log_gives(
        actions in actions(1..60),
        sizes in prop::collection::vec(1..20usize, 1..6),
        times in 1..=5usize,
    ) {
        let log = log_of(&actions);
        let days = written(&delivered(&log, DailyFlow::PROJECTION, &sizes, times));
        prop_assert_eq!(&days, &counted(&log));

        let mut closing: BTreeMap<&Sku, i128> = BTreeMap::new();
        for ((sku, _), flow) in &days {
            *closing.entry(sku).or_default() +=
                flow.incoming - flow.outgoing + flow.returned + flow.adjusted + flow.transferred;
        }
        for (sku, closing) in closing {
            prop_assert_eq!(closing, i128::from(log.on_hand_everywhere(sku.as_str())), "{}", sku);
        }
    }
}
