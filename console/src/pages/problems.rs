//! `/problems`: lanes that wait for an operator, and whether the figures are what the log comes to.

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

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsPage {
    t: &'static Texts,
    frame: Frame,
    asked: Asked,
    stopped: Vec<LaneProgress>,
    /// Lanes that the relay cannot publish.
    unpublished: Vec<RelayedLane>,
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
        stopped: progress.items.into_iter().filter(LaneProgress::is_stopped).collect(),
        unpublished: relayed.items.into_iter().filter(RelayedLane::is_stopped).collect(),
        stuck: orders.items.into_iter().filter(Order::needs_operator).collect(),
        asked,
        proof,
    })
}
