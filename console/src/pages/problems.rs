//! `/problems`: lanes that wait for an operator, and whether the figures are what the log comes to.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::segment;
use crate::answers::{Integrity, LaneProgress, List, Order, Page, RelayedLane};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services};
use crate::texts::Texts;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// The item to prove, or `*` for the whole log.
    sku: String,
}

/// A lane that waits at an event, and everything that waits there.
#[derive(Debug)]
struct Stopped {
    lane: u16,
    event: String,
    relay: Option<RelayedLane>,
    views: Vec<LaneProgress>,
}

/// Each lane once for each event at which something waits.
fn stopped(views: Vec<LaneProgress>, relayed: Vec<RelayedLane>) -> Vec<Stopped> {
    type Waits = (Option<RelayedLane>, Vec<LaneProgress>);
    let mut waits: BTreeMap<(u16, String), Waits> = BTreeMap::new();
    for view in views.into_iter().filter(LaneProgress::is_stopped) {
        let event = view.event.clone().unwrap_or_default();
        waits.entry((view.lane, event)).or_default().1.push(view);
    }
    for lane in relayed.into_iter().filter(RelayedLane::is_stopped) {
        let place = (lane.lane, lane.next());
        waits.entry(place).or_default().0 = Some(lane);
    }
    let stopped = |((lane, event), (relay, views))| Stopped { lane, event, relay, views };
    waits.into_iter().map(stopped).collect()
}

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    t: &'static Texts,
    frame: Frame,
    asked: Asked,
    stopped: Vec<Stopped>,
    /// Orders with a step that needs an operator.
    stuck: Vec<Order>,
    proof: Option<Integrity>,
}

pub(crate) async fn show(
    services: Services,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let proof = async {
        let sku = asked.sku.trim();
        let path = match sku {
            "" => return Ok(None),
            "*" => "/v1/integrity".to_owned(),
            sku => format!("/v1/integrity/{}", segment(sku)?),
        };
        services.get::<Integrity>(Service::Query, &path, &[]).await.map(Some)
    };
    let (progress, relayed, orders, proof) = tokio::try_join!(
        services.get::<Page<LaneProgress>>(Service::Query, "/v1/projections", &[]),
        services.get::<List<RelayedLane>>(Service::Command, "/v1/relay", &[]),
        services.get::<Page<Order>>(Service::Query, "/v1/orders", &[("limit", "200")]),
        proof,
    )?;
    frame::page(&ProblemsPage {
        t: reader::texts(),
        frame: Frame::live(Section::Problems, &progress.position),
        stopped: stopped(progress.items, relayed.items),
        stuck: orders.items.into_iter().filter(Order::needs_operator).collect(),
        asked,
        proof,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lane_is_listed_once_with_everything_that_waits_there() {
        let view = |projection: &str, lane: u16, state: &str| {
            let at = "2026-11-30T08:15:00Z";
            let view = json!({"projection": projection, "version": 1, "active": true, "lane": lane,
                "position": 435, "state": state, "event": format!("{lane}-436"), "applied_at": at});
            serde_json::from_value::<LaneProgress>(view).expect("a view")
        };
        let relayed = json!({"lane": 5, "mark": 435, "lag": 2, "lag_ms": 10, "state": "stopped"});
        let relayed = serde_json::from_value::<RelayedLane>(relayed).expect("a lane");
        let views = vec![
            view("stock", 5, "stopped"),
            view("orders", 5, "stopped"),
            view("stock", 6, "running"),
            view("stock", 7, "stopped"),
        ];
        let found = stopped(views, vec![relayed]);
        let found =
            found.iter().map(|one| (one.event.as_str(), one.views.len(), one.relay.is_some()));
        assert_eq!(found.collect::<Vec<_>>(), [("5-436", 2, true), ("7-436", 1, false)]);
    }
}
