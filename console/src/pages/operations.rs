//! `/operations`: what an operator does. Each shows first what will happen, and asks once.

mod preview;
pub(crate) mod views;

use std::collections::{BTreeSet, HashMap};

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::header::REFRESH;
use axum::response::{IntoResponse, Redirect, Response};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::preview::Preview;
use super::segment;
use crate::answers::{LaneProgress, Page};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Command, Failure, Problem, Service, Services};
use crate::shown::{Moment, Status, Units};
use crate::texts::Texts;

/// How often a page about work in progress is loaded again, in seconds.
const AGAIN: &str = "2";

/// A window of time whose events are reversed, as it was written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Window {
    from: String,
    to: String,
    sku: String,
    location: String,
    actor: String,
    reason: String,
    key: String,
    /// Says that it is to be done, after it was shown.
    confirmed: String,
}

impl Window {
    fn began(&self) -> Option<Moment> {
        Moment::parse(&self.from)
    }

    fn ended(&self) -> Option<Moment> {
        Moment::parse(&self.to)
    }

    /// The request of the command, without the members that were left out.
    fn body(&self, dry_run: bool) -> Value {
        let mut window = Map::from_iter([("by".to_owned(), json!("recorded_at"))]);
        let members = [
            ("from", Moment::exactly(&self.from)),
            ("to", Moment::exactly(&self.to)),
            ("sku", self.sku.trim().to_owned()),
            ("location", self.location.trim().to_owned()),
            ("actor", self.actor.trim().to_owned()),
        ];
        for (name, value) in members.into_iter().filter(|(_, value)| !value.is_empty()) {
            window.insert(name.to_owned(), json!(value));
        }
        let mut body = json!({"window": window, "dry_run": dry_run});
        if !self.reason.trim().is_empty() {
            body["reason"] = json!(self.reason.trim());
        }
        body
    }
}

/// How far a reversal is, or would be.
#[derive(Debug, Deserialize)]
pub(crate) struct Progress {
    reversal_id: String,
    status: Status,
    events: Units,
    correlations: Units,
    reversed: Units,
    refused: Units,
    refusals: Vec<Refusal>,
}

impl Progress {
    fn is_done(&self) -> bool {
        !self.status.is("running")
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Refusal {
    correlation_id: String,
    problem: Problem,
}

#[derive(Template)]
#[template(path = "operations.html")]
struct OperationsPage {
    t: &'static Texts,
    frame: Frame,
    window: Window,
    problem: Option<Problem>,
    /// By the names of fields.
    faults: HashMap<String, String>,
    /// Every version of every view.
    views: Vec<View>,
}

/// A version of a view.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct View {
    projection: String,
    version: i64,
    answers: bool,
}

impl OperationsPage {
    async fn read(
        services: &Services,
        window: Window,
        problem: Option<Problem>,
    ) -> Result<Self, Failure> {
        let progress: Page<LaneProgress> =
            services.get(Service::Query, "/v1/projections", &[]).await?;
        let view = |lane: LaneProgress| View {
            projection: lane.projection,
            version: lane.version,
            answers: lane.active,
        };
        let views: BTreeSet<View> = progress.items.into_iter().map(view).collect();
        Ok(Self::new(window, problem, views.into_iter().collect()))
    }

    fn new(window: Window, problem: Option<Problem>, views: Vec<View>) -> Self {
        let name = |pointer: &str| pointer.rsplit('/').next().unwrap_or_default().to_owned();
        let errors = problem.as_ref().map(|problem| problem.errors.as_slice()).unwrap_or_default();
        let faults =
            errors.iter().map(|fault| (name(&fault.pointer), fault.message.clone())).collect();
        Self {
            t: reader::texts(),
            frame: Frame::still(Section::Operations),
            window,
            problem,
            faults,
            views,
        }
    }

    fn fault(&self, name: &str) -> Option<&String> {
        self.faults.get(name)
    }
}

pub(crate) async fn show(
    services: Services,
    Query(window): Query<Window>,
) -> Result<Response, Failure> {
    frame::page(&OperationsPage::read(&services, window, None).await?)
}

#[derive(Template)]
#[template(path = "reversal_preview.html")]
struct PreviewPage {
    t: &'static Texts,
    frame: Frame,
    window: Window,
    would: Progress,
    preview: Preview,
    key: String,
}

/// Shows what reversing a window would do; does it once that is confirmed.
pub(crate) async fn reverse(
    services: Services,
    Form(window): Form<Window>,
) -> Result<Response, Failure> {
    let is_confirmed = window.confirmed == "yes";
    let body = window.body(!is_confirmed);
    let command = Command {
        method: Method::POST,
        path: "/v1/reversals".to_owned(),
        body: &body,
        key: Some(window.key.as_str()).filter(|key| is_confirmed && !key.is_empty()),
        validate_only: false,
    };
    match services.send::<Progress>(Service::Command, command).await {
        Ok(done) if is_confirmed => {
            let id = segment(&done.reversal_id)?;
            Ok(Redirect::to(&format!("/operations/reversals/{id}")).into_response())
        }
        Ok(would) => {
            let preview = preview::read(&services, &window, &would).await?;
            let frame = Frame::still(Section::Operations);
            let key = Uuid::now_v7().to_string();
            frame::page(&PreviewPage { t: reader::texts(), frame, window, would, preview, key })
        }
        Err(Failure::Refused { problem, .. }) if problem.status < 500 => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let page = OperationsPage::read(&services, window, Some(*problem)).await?;
            Ok(frame::rendered(status, &page))
        }
        Err(failure) => Err(failure),
    }
}

#[derive(Template)]
#[template(path = "reversal.html")]
struct ReversalPage {
    t: &'static Texts,
    frame: Frame,
    it: Progress,
}

/// `GET /operations/reversals/{id}`: how far it is.
pub(crate) async fn reversal(
    services: Services,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let path = format!("/v1/reversals/{}", segment(&id)?);
    let it: Progress = services.get(Service::Command, &path, &[]).await?;
    let is_done = it.is_done();
    let page = ReversalPage { t: reader::texts(), frame: Frame::still(Section::Operations), it };
    let mut response = frame::page(&page)?;
    if !is_done {
        response.headers_mut().insert(REFRESH, axum::http::HeaderValue::from_static(AGAIN));
    }
    Ok(response)
}
