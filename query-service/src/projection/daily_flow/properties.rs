//! However a log is delivered, the days are what a count of the whole log says, and the last day
//! closes with what is there.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use proptest::prelude::*;
use shared_events::lane::Position;
use shared_events::values::Sku;

use crate::projection::Projection;
use crate::projection::changes::Changes;
use crate::projection::daily_flow::Flow;
use crate::projection::plan::Plan;
use crate::projection::plan::properties::{delivered, log_of, told};
use crate::projection::stock::sample::Log;

type Days = BTreeMap<(Sku, NaiveDate), Flow>;

/// The rows, as their statement keeps them.
fn written(plans: &[Plan]) -> Days {
    let mut rows: BTreeMap<(Sku, NaiveDate), (Position, Flow)> = BTreeMap::new();
    for plan in plans {
        let Changes::DailyFlow(changes) = &plan.changes else {
            panic!("a plan for another projection");
        };
        for (day, (place, added)) in &changes.days {
            let (position, flow) = rows.entry(day.clone()).or_default();
            assert!(*position < place.position, "applied twice");
            *position = place.position;
            flow.incoming += added.incoming;
            flow.outgoing += added.outgoing;
            flow.returned += added.returned;
            flow.adjusted += added.adjusted;
        }
    }
    rows.into_iter().map(|(day, (_, flow))| (day, flow)).collect()
}

/// The same, counted event by event from what each says in JSON.
fn counted(log: &Log) -> Days {
    let mut days = Days::new();
    for recorded in &log.events {
        let data: serde_json::Value = serde_json::from_str(recorded.data.get()).expect("JSON");
        let number = |name: &str| data[name].as_i64().unwrap_or_default();
        let flow = Flow::default();
        let flow = match recorded.event_type.as_str() {
            "StockReceived" => Flow { incoming: number("quantity"), ..flow },
            "StockIssued" | "StockFulfilled" => Flow { outgoing: number("quantity"), ..flow },
            "StockReturned" => Flow { returned: number("quantity"), ..flow },
            "StockAdjusted" | "StockSet" | "StockReversed" => {
                Flow { adjusted: number("delta"), ..flow }
            }
            _ => continue,
        };
        let sku: Sku = data["sku"].as_str().expect("a sku").parse().expect("a sku");
        let day = days.entry((sku, recorded.occurred_at.to_utc().date_naive())).or_default();
        *day = day.plus(flow).expect("a small log");
    }
    days
}

proptest! {
    #[test]
    fn any_delivery_gives_the_days_that_a_count_of_the_log_gives(
        tellings in prop::collection::vec(told(), 1..60),
        sizes in prop::collection::vec(1..20usize, 1..6),
        times in 1..=5usize,
    ) {
        let log = log_of(&tellings);
        let days = written(&delivered(&log, Projection::DailyFlow, &sizes, times));
        prop_assert_eq!(&days, &counted(&log));

        let mut closing: BTreeMap<&Sku, i64> = BTreeMap::new();
        for ((sku, _), flow) in &days {
            *closing.entry(sku).or_default() += flow.net().expect("a small log");
        }
        for (sku, closing) in closing {
            prop_assert_eq!(closing, log.on_hand_everywhere(sku.as_str()), "{}", sku);
        }
    }
}
