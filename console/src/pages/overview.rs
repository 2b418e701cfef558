//! `/`: how Stockbook is.

use askama::Template;
use axum::response::Response;

use crate::answers::{Alert, List, Movement, Overview, Page, RelayedLane};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services, permitted};
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
    let (it, relayed, alerts, movements) = tokio::try_join!(
        services.get::<Overview>(Service::Query, "/v1/overview", &[]),
        relayed(&services),
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

/// The lanes on their way to Kafka: none while the command-service does not answer, and for visitors who may not see them.
async fn relayed(services: &Services) -> Result<Vec<RelayedLane>, Failure> {
    let answer = services.get::<List<RelayedLane>>(Service::Command, "/v1/relay", &[]).await;
    match permitted(answer.map(Some)) {
        Ok(relayed) => Ok(relayed.map(|relayed| relayed.items).unwrap_or_default()),
        Err(Failure::Down { .. }) => Ok(Vec::new()),
        Err(failure) => Err(failure),
    }
}
