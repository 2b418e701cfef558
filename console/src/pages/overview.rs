//! `/`: how Stockbook is.

use askama::Template;
use axum::response::Response;

use crate::answers::{Alert, Movement, Overview, Page};
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
    alerts: Vec<Alert>,
    movements: Vec<Movement>,
}

pub(crate) async fn show(services: Services) -> Result<Response, Failure> {
    let raised = [("state", "raised"), ("limit", ALERTS)];
    let (it, alerts, movements) = tokio::try_join!(
        services.get::<Overview>(Service::Query, "/v1/overview", &[]),
        services.get::<Page<Alert>>(Service::Query, "/v1/alerts", &raised),
        services.get::<Page<Movement>>(Service::Query, "/v1/movements", &[("limit", MOVEMENTS)]),
    )?;
    frame::page(&OverviewPage {
        t: reader::texts(),
        frame: Frame::live(Section::Overview, &it.position),
        it,
        alerts: alerts.items,
        movements: movements.items,
    })
}
