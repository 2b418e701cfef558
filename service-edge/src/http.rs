//! What surrounds the handlers of every service: the routes for operators, and a middleware that
//! counts requests and answers every error with a problem document.

use std::path::Path;
use std::{env, fs};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use crate::answered::Arrived;
use crate::problem::{self, Catalogue};
use crate::{recorder, unread};

/// The routes of a service, their API description, the pages of its problems, and the routes for
/// operators.
pub fn router<C: Catalogue, S>(routes: OpenApiRouter<S>, ready: MethodRouter<S>, state: S) -> Router
where
    S: Clone + Send + Sync + 'static,
{
    let (routes, description) = routes.split_for_parts();
    routes
        .merge(SwaggerUi::new("/docs").url("/openapi.json", description))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", ready)
        .route("/metrics", get(metrics))
        .route("/problems/{code}", get(problem::page::<C>))
        .with_state(state)
}

/// For a service's test: panics unless the description of its routes is the `openapi.json` committed in
/// the folder of its package. The message has the command that accepts the change.
pub fn assert_description_is_committed<S>(routes: OpenApiRouter<S>, package: &Path)
where
    S: Clone + Send + Sync + 'static,
{
    let (_, description) = routes.split_for_parts();
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
pub async fn frame<C: Catalogue>(request: Request, next: Next) -> Response {
    let answer = async move |request: Request| {
        let arrived = Arrived::now(&request);
        let response = problem::of_bare_error::<C>(next.run(request).await);
        arrived.answered(response.status());
        response
    };
    unread::drop_unread(request, answer).await
}

async fn metrics() -> impl IntoResponse {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], recorder::handle().render())
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    pub ready: bool,
    /// What is missing. A service that is ready may still have a complaint.
    pub reasons: Vec<String>,
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        let status = if self.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self)).into_response()
    }
}
