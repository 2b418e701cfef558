//! `/operations/skip` and `/operations/rebuild`: repairs of views.

use askama::Template;
use axum::Form;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::answers::Event;
use crate::frame::{self, Frame, Section};
use crate::pages::segment;
use crate::pages::streams::find_event;
use crate::reader;
use crate::services::{Command, Failure, Problem, Service, Services, permitted};
use crate::texts::Texts;

/// The event that a stopped lane is to skip.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Skip {
    projection: String,
    event: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "skip.html")]
struct SkipPage {
    t: &'static Texts,
    frame: Frame,
    skip: Skip,
    /// What the view would miss.
    missed: Option<Event>,
    problem: Option<Problem>,
}

impl SkipPage {
    async fn read(
        services: &Services,
        skip: Skip,
        problem: Option<Problem>,
    ) -> Result<Self, Failure> {
        let missed = permitted(find_event(services, &skip.event).await)?;
        let frame = Frame::still(Section::Operations);
        Ok(Self { t: reader::texts(), frame, skip, missed, problem })
    }
}

pub(crate) async fn ask_skip(
    services: Services,
    Query(skip): Query<Skip>,
) -> Result<Response, Failure> {
    frame::page(&SkipPage::read(&services, skip, None).await?)
}

pub(crate) async fn skip(services: Services, Form(skip): Form<Skip>) -> Result<Response, Failure> {
    let number =
        |text: &str| text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number));
    let (lane, position) = skip.event.split_once('-').unwrap_or((skip.event.as_str(), ""));
    let body = json!({
        "lane": number(lane), "position": number(position), "reason": skip.reason.trim(),
    });
    let path = format!("/v1/projections/{}/skip", segment(&skip.projection)?);
    match post(&services, path, &body).await? {
        None => Ok(Redirect::to("/problems").into_response()),
        Some((status, problem)) => {
            let page = SkipPage::read(&services, skip, Some(problem)).await?;
            Ok(frame::rendered(status, &page))
        }
    }
}

/// A rebuild of a view, or a step of one.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Rebuild {
    projection: String,
    step: String,
}

#[derive(Template)]
#[template(path = "rebuild.html")]
struct RebuildPage {
    t: &'static Texts,
    frame: Frame,
    rebuild: Rebuild,
    problem: Option<Problem>,
}

impl RebuildPage {
    fn new(rebuild: Rebuild, problem: Option<Problem>) -> Self {
        Self { t: reader::texts(), frame: Frame::still(Section::Operations), rebuild, problem }
    }

    /// The steps, with what each does.
    fn steps(&self) -> [(&'static str, &'static str); 4] {
        let t = self.t;
        [
            ("swap", t.rebuild_swap),
            ("compare", t.rebuild_compare),
            ("back", t.rebuild_back),
            ("drop", t.rebuild_drop),
        ]
    }
}

pub(crate) async fn ask_rebuild(Query(rebuild): Query<Rebuild>) -> Result<Response, Failure> {
    frame::page(&RebuildPage::new(rebuild, None))
}

pub(crate) async fn rebuild(
    services: Services,
    Form(rebuild): Form<Rebuild>,
) -> Result<Response, Failure> {
    let path = format!("/v1/projections/{}/rebuild", segment(&rebuild.projection)?);
    match post(&services, path, &json!({"step": rebuild.step})).await? {
        None => Ok(Redirect::to("/pipeline").into_response()),
        Some((status, problem)) => {
            Ok(frame::rendered(status, &RebuildPage::new(rebuild, Some(problem))))
        }
    }
}

/// Sends an operator's request to the query-service. The problem that it is refused with is shown at the form.
async fn post(
    services: &Services,
    path: String,
    body: &Value,
) -> Result<Option<(StatusCode, Problem)>, Failure> {
    let command = Command { method: Method::POST, path, body, key: None, validate_only: false };
    match services.send::<IgnoredAny>(Service::Query, command).await {
        Ok(IgnoredAny) => Ok(None),
        Err(Failure::Refused { problem, .. }) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::BAD_GATEWAY);
            Ok(Some((status, *problem)))
        }
        Err(failure) => Err(failure),
    }
}
