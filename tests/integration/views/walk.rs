//! What the views should say, by a walk over the log, event by event.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use integration_tests::eventually::eventually;
use integration_tests::stockbook::Stockbook;
use serde_json::{Value, json};
use shared_events::recorded::RecordedEvent;

use super::published;

/// What a walk over the log says: flows by sku and day, and alerts by id.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) flows: BTreeMap<String, BTreeMap<NaiveDate, [i64; 4]>>,
    pub(super) alerts: BTreeMap<String, Value>,
    points: BTreeMap<String, i64>,
    pub(super) levels: BTreeMap<(String, String), (i64, bool)>,
}

impl Walk {
    pub(super) fn over(log: &[RecordedEvent]) -> Self {
        let mut walk = Self::default();
        for event in log {
            let data: Value = serde_json::from_str(event.data.get()).expect("data is JSON");
            walk.count(event, &data);
            walk.alert(event, &data);
        }
        walk
    }

    fn count(&mut self, event: &RecordedEvent, data: &Value) {
        let (column, amount) = match event.event_type.as_str() {
            "StockReceived" => (0, &data["quantity"]),
            "StockIssued" | "StockFulfilled" => (1, &data["quantity"]),
            "StockReturned" => (2, &data["quantity"]),
            "StockAdjusted" | "StockSet" | "StockReversed" => (3, &data["delta"]),
            _ => return,
        };
        let day = event.occurred_at.to_utc().date_naive();
        let days = self.flows.entry(data["sku"].as_str().unwrap().to_owned()).or_default();
        days.entry(day).or_default()[column] += amount.as_i64().unwrap();
    }

    fn alert(&mut self, event: &RecordedEvent, data: &Value) {
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let sku = text("sku");
        match event.event_type.as_str() {
            "ItemRegistered" | "ItemChanged" | "ItemRetired" => {
                self.points.insert(sku.clone(), data["reorder_point"].as_i64().unwrap_or(0));
            }
            kind if kind.starts_with("Stock") => {
                let figure = |name: &str| data["after"][name].as_i64().unwrap();
                let available = figure("on_hand") - figure("reserved") - figure("allocated");
                self.levels.entry((sku.clone(), text("location"))).or_default().0 = available;
            }
            _ => return,
        }
        let point = self.points.get(&sku).copied().unwrap_or_default();
        let from = (sku.clone(), String::new());
        for ((of, location), (available, raised)) in self.levels.range_mut(from..) {
            if *of != sku {
                break;
            }
            let is_short =
                point > 0 && *available <= point + if *raised { (point / 10).max(1) } else { 0 };
            if is_short != *raised {
                *raised = is_short;
                let id = format!("{}-{location}", event.id());
                let alert = json!({
                    "id": id, "sku": sku, "location": location,
                    "state": if is_short { "raised" } else { "cleared" },
                    "available": available, "reorder_point": point,
                    "position": format!("{}:{}", event.lane, event.position),
                });
                self.alerts.insert(id, alert);
            }
        }
    }

    /// Fails unless the topic holds these alerts, each once, under the item's key.
    pub(super) async fn assert_published(&self, stockbook: &Stockbook) {
        let count = async || published(stockbook).await.len();
        eventually("alerts come out", count, |count| *count >= self.alerts.len()).await;
        let published = published(stockbook).await;
        for (key, alert) in &published {
            assert_eq!(alert["sku"], **key);
            assert_eq!(Some(alert), self.alerts.get(alert["id"].as_str().unwrap()));
        }
        let ids: BTreeSet<&str> =
            published.iter().map(|(_, one)| one["id"].as_str().unwrap()).collect();
        assert_eq!((ids.len(), published.len()), (self.alerts.len(), self.alerts.len()));
    }
}

/// Fails unless the flow of an item is what the walk says, day by day.
pub(super) fn assert_flow(flow: &Value, days: &BTreeMap<NaiveDate, [i64; 4]>) {
    let net = |[incoming, outgoing, returned, adjusted]: [i64; 4]| {
        incoming - outgoing + returned + adjusted
    };
    let from: NaiveDate = flow["from"].as_str().unwrap().parse().unwrap();
    let mut closing: i64 = days.range(..from).map(|(_, day)| net(*day)).sum();
    assert_eq!(flow["opening"], closing, "{flow}");
    for told in flow["days"].as_array().unwrap() {
        let day: NaiveDate = told["day"].as_str().unwrap().parse().unwrap();
        let walked = days.get(&day).copied().unwrap_or_default();
        closing += net(walked);
        let figures =
            ["in", "out", "returned", "adjusted"].map(|name| told[name].as_i64().unwrap());
        assert_eq!((figures, &told["closing"]), (walked, &json!(closing)), "{day} of {flow}");
    }
    assert_eq!(flow["closing"], closing, "{flow}");
}
