//! `/`: how Stockbook is.

use askama::Template;
use axum::response::Response;

use crate::answers::{Alert, List, Movement, Overview, Page, RelayedLane};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services};
use crate::texts::Texts;

const ALERTS: &str = "5";
const MOVEMENTS: &str = "12";

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    t: &'static Texts,
    frame: Frame,
    it: Overview,
    stopped: usize,
    alerts: Vec<Alert>,
    movements: Vec<Movement>,
}

pub(crate) async fn show(services: Services) -> Result<Response, Failure> {
    let raised = [("state", "raised"), ("limit", ALERTS)];
    // The figures are there although the command-service is away.
    let relayed = async {
        let relayed = services.get::<List<RelayedLane>>(Service::Command, "/v1/relay", &[]).await;
        Ok(relayed.map(|relayed| relayed.items).unwrap_or_default())
    };
    let (it, relayed, alerts, movements) = tokio::try_join!(
        services.get::<Overview>(Service::Query, "/v1/overview", &[]),
        relayed,
        services.get::<Page<Alert>>(Service::Query, "/v1/alerts", &raised),
        services.get::<Page<Movement>>(Service::Query, "/v1/movements", &[("limit", MOVEMENTS)]),
    )?;
    frame::page(&OverviewPage {
        t: reader::texts(),
        frame: Frame::live(Section::Overview, &it.position),
        stopped: it.stopped(&relayed),
        it,
        alerts: alerts.items,
        movements: movements.items,
    })
}
