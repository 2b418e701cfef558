//! Every route, and the layers around them.

use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use service_edge::callers::Callers;
use service_edge::http::frame;
use service_edge::problem::of_panic;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::{self, HttpConfig};
use crate::endpoints;
use crate::http::problem::Code;
use crate::http::{gate, health, wait};
use crate::openapi;
use crate::projection_set::ProjectionSet;
use crate::projections;

#[derive(OpenApi)]
#[openapi(info(
    title = "Stockbook query-service",
    description = "What there is, where, and how it came to be so. Every answer carries the position \
                   it reflects (header `Stock-Position`); with `min_position` it waits for one."
))]
struct Document;

/// Every route, with its description.
fn routes() -> OpenApiRouter<ProjectionSet> {
    let mut routes = OpenApiRouter::with_openapi(Document::openapi())
        .merge(projections::routes())
        .routes(routes!(endpoints::changes::follow_changes))
        .routes(routes!(endpoints::projections::list_projections))
        .routes(routes!(endpoints::integrity::check_all))
        .routes(routes!(endpoints::integrity::check_sku));
    openapi::describe_parameters(routes.get_openapi_mut());
    routes
}

/// The service's HTTP surface.
pub fn router(projections: ProjectionSet, settings: HttpConfig, callers: &Callers) -> Router {
    let gate = gate::Gate::new(config::count(settings.requests_max), longest_answer(settings));
    let limits = from_fn_with_state(gate, gate::guard);
    let ready = get(health::ready);
    service_edge::http::router::<Code, _>(routes().layer(limits), ready, projections).layer(
        // From the outside in. Each `layer` of the router would box every request once more.
        ServiceBuilder::new()
            .layer(from_fn_with_state(callers.clone(), frame::<Code>))
            .option_layer(callers.cors())
            .layer(CatchPanicLayer::custom(of_panic::<Code>)),
    )
}

/// How long a whole answer may take: its own wait and its work.
fn longest_answer(settings: HttpConfig) -> Duration {
    wait::WAIT_MAX + settings.answer_timeout_ms.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_description_is_the_one_in_openapi_json() {
        service_edge::openapi::assert_description_is_committed(
            routes(),
            env!("CARGO_MANIFEST_DIR").as_ref(),
        );
    }
}
