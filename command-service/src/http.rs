//! The edge: HTTP in, HTTP out.
//!
//! In the order of a command's way: `observe` counts and names each request, `request` reads it,
//! `commands` hand it to the writer, `answer` and [`problem`] say how it ended. `log` serves the log,
//! `health` the operators, `schema` is what OpenAPI says beyond the routes.

mod observe;
mod request;
mod commands;
mod answer;
pub mod problem;
mod log;
mod health;
mod schema;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use service_edge::unread;
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use self::problem::{Code, Problem};
use crate::log::read::LogReader;
use crate::log::writer::Writer;
use crate::reversals::Reversals;

/// Everything that a handler may use.
#[derive(Debug)]
pub struct AppState {
    /// The writer, or why there is none.
    pub writer: watch::Receiver<WriterState>,
    /// For the log's own endpoints.
    pub log: LogReader,
    /// Reversals of windows.
    pub reversals: Reversals,
    /// How commands are treated.
    pub config: CommandConfig,
}

/// Whether commands are accepted.
#[derive(Debug, Clone)]
pub enum WriterState {
    /// Not yet: the log's lanes are not known, so there is no writer.
    Starting,
    /// Yes: they go to the writer.
    Running(Writer),
    /// No longer: the service is stopping.
    Stopped,
}

/// How commands are treated.
#[derive(Debug, Clone, Copy)]
pub struct CommandConfig {
    /// Whether a command must come with an Idempotency-Key.
    pub require_key: bool,
    /// How long a command may wait for its turn.
    pub command_deadline: Duration,
    /// How long an answer may take.
    pub answer_timeout: Duration,
}

/// Every route, with its description.
fn routes() -> OpenApiRouter<Arc<AppState>> {
    OpenApiRouter::with_openapi(schema::Api::openapi())
        // Commands: PUT /v1/items/{sku}, /v1/locations/{code}, /v1/stock/{sku}/{location};
        // POST /v1/items/{sku}/retire, /v1/receipts, /v1/issues, /v1/adjustments, /v1/moves.
        .routes(routes!(commands::catalogue::register_item))
        .routes(routes!(commands::catalogue::retire_item))
        .routes(routes!(commands::catalogue::register_location))
        .routes(routes!(commands::stock::receive_stock))
        .routes(routes!(commands::stock::issue_stock))
        .routes(routes!(commands::stock::adjust_stock))
        .routes(routes!(commands::stock::set_stock))
        .routes(routes!(commands::stock::move_stock))
        // POST /v1/reservations, and of a reservation
        // /v1/reservations/{id}/extend|confirm|release|cancel|fulfil|return.
        .routes(routes!(commands::reservation::reserve_stock))
        .routes(routes!(commands::reservation::extend_reservation))
        .routes(routes!(commands::reservation::confirm_reservation))
        .routes(routes!(commands::reservation::release_reservation))
        .routes(routes!(commands::reservation::cancel_reservation))
        .routes(routes!(commands::reservation::fulfil_reservation))
        .routes(routes!(commands::reservation::return_reservation))
        // POST /v1/reversals, GET /v1/reversals/{id}; POST /v1/batches.
        .routes(routes!(commands::reversal::reverse))
        .routes(routes!(commands::reversal::read_progress))
        .routes(routes!(commands::batch::execute_batch))
        // The log: GET /v1/lanes, /v1/lanes/{lane}/events, /v1/events, and of a stream
        // /v1/streams/{stream}/events and …/state.
        .routes(routes!(log::list_lanes))
        .routes(routes!(log::list_lane_events))
        .routes(routes!(log::merged::list_events))
        // A stream's name has slashes, so what follows it is taken off by the handler.
        .route("/v1/streams/{*name}", get(log::read_stream))
        // Operators.
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/problems/{code}", get(health::problem_page))
}

/// The service's HTTP surface.
pub fn router(app: AppState) -> Router {
    let (router, openapi) = routes().with_state(Arc::new(app)).split_for_parts();
    router
        .merge(SwaggerUi::new("/docs").url("/openapi.json", openapi))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        // Together, from the outside in: each `layer` of its own would box every request once more.
        .layer(
            ServiceBuilder::new()
                .layer(from_fn(unread::drop_unread))
                .layer(from_fn(observe::observe))
                .layer(CatchPanicLayer::custom(panicked)),
        )
}

/// Records metrics from the first call on, and keeps them small; to be called every few seconds.
pub fn upkeep_metrics() {
    observe::metrics().run_upkeep();
}

async fn nothing_here(uri: Uri) -> Problem {
    Problem::new(Code::NotFound, format!("nothing is at {}", uri.path()))
}

/// axum adds the Allow header.
async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(Code::MethodNotAllowed, format!("{} is not for {method}", uri.path()))
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without words");
    Problem::internal(&said).into_response()
}
