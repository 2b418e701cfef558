//! What surrounds the handlers of every service: the routes for operators, their description with the
//! comparison to the committed one, and a middleware that counts and traces requests and answers every
//! error with a problem document.

use std::path::Path;
use std::{env, fs};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde::Serialize;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::answered::Arrived;
use crate::callers::Callers;
use crate::openapi::complete_description;
use crate::problem::{self, Catalogue};
use crate::sign_in::audit;
use crate::sign_in::routes::{Access, AccessTable, Routes};
use crate::sign_in::scope::Scope;
use crate::traces::Span;
use crate::{recorder, unread};

/// The routes of a service, their API description, the pages of its problems, and the routes for
/// operators. With them, what each requires of a credential.
pub fn router<C: Catalogue, S>(
    routes: Routes<S>,
    ready: MethodRouter<S>,
    state: S,
) -> (Router, AccessTable)
where
    S: Clone + Send + Sync + 'static,
{
    let Routes { router, table } = with_own(routes);
    let (router, mut description) = router.split_for_parts();
    complete_description(&mut description);
    let router = router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", description))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", ready)
        .route("/metrics", get(metrics))
        .route("/problems/{code}", get(problem::page::<C>))
        .with_state(state);
    (router, table)
}

/// The routes with those that every service has.
fn with_own<S>(routes: Routes<S>) -> Routes<S>
where
    S: Clone + Send + Sync + 'static,
{
    routes.routes(Access::everywhere(Scope::Operate), routes!(audit::list_refused))
}

/// For a service's test: panics unless the description of its routes is the `openapi.json` committed in
/// the folder of its package. The message has the command that accepts the change.
pub fn assert_description_is_committed<S>(routes: Routes<S>, package: &Path)
where
    S: Clone + Send + Sync + 'static,
{
    let mut description = with_own(routes).description().clone();
    complete_description(&mut description);
    let actual = description.to_pretty_json().expect("an OpenAPI document is JSON") + "\n";
    let committed = package.join("openapi.json");
    if fs::read_to_string(&committed).unwrap_or_default() != actual {
        let name = package.file_name().unwrap_or_default().display();
        let now = env::temp_dir().join(format!("{name}-openapi.json"));
        fs::write(&now, actual).expect("the temporary folder can be written");
        let (now, committed) = (now.display(), committed.display());
        panic!("the description changed; to accept it: cp {now} {committed}");
    }
}

/// The outermost middleware of a service.
pub async fn frame<C: Catalogue>(
    State(callers): State<Callers>,
    request: Request,
    next: Next,
) -> Response {
    let answer = async move |mut request: Request| {
        let arrived = Arrived::now(&request);
        let span = Span::of_request(&mut request);
        let response = match callers.check::<C>(&request) {
            Ok(()) => problem::of_bare_error::<C>(next.run(request).await),
            Err(refusal) => refusal.into_response(),
        };
        arrived.answered(response.status());
        if let Some(span) = span {
            span.answered(response.status());
        }
        response
    };
    unread::drop_unread(request, answer).await
}

async fn metrics() -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], recorder::handle().render())
}

/// The answer of `/readyz`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    pub ready: bool,
    pub status: Status,
    /// What is missing. A service that is ready may still have a complaint.
    pub reasons: Vec<String>,
    /// Lanes that wait for an operator. The others go on, so the service is ready all the same.
    pub stopped_lanes: Vec<StoppedLane>,
}

/// How a service does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Ready,
    /// In part.
    Degraded,
    NotReady,
}

/// A lane that stands still.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct StoppedLane {
    /// What stopped in it.
    pub projection: String,
    pub lane: u16,
    /// The event that it waits at.
    pub event: String,
}

impl Readiness {
    /// A service is ready if nothing is `missing`, whatever its `complaints`.
    pub fn new(
        missing: Vec<String>,
        complaints: Vec<String>,
        stopped_lanes: Vec<StoppedLane>,
    ) -> Self {
        let status = if !missing.is_empty() {
            Status::NotReady
        } else if complaints.is_empty() && stopped_lanes.is_empty() {
            Status::Ready
        } else {
            Status::Degraded
        };
        let reasons = [missing, complaints].concat();
        Self { ready: status != Status::NotReady, status, reasons, stopped_lanes }
    }
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}
