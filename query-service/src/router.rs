//! Every route, and the layers around them.

use std::time::Duration;

use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Router};
use service_edge::callers::Callers;
use service_edge::http::frame;
use service_edge::problem::of_panic;
use service_edge::sign_in::SignIn;
use service_edge::sign_in::gate::guard;
use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::routes;

use crate::config::{self, HttpConfig};
use crate::endpoints;
use crate::endpoints::overview::Overviews;
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
fn routes() -> Routes<ProjectionSet> {
    const READ: Access = Access::everywhere(Scope::StockRead);
    const OPERATE: Access = Access::everywhere(Scope::Operate);
    let mut routes = Routes::of(Document::openapi())
        .merge(projections::routes())
        .routes(Access::by_location(Scope::LogRead), routes!(endpoints::changes::follow_changes))
        .routes(READ, routes!(endpoints::overview::read_overview))
        .routes(READ, routes!(endpoints::projections::list_projections))
        .routes(OPERATE, routes!(endpoints::operations::skip_event))
        .routes(OPERATE, routes!(endpoints::operations::rebuild))
        .routes(READ, routes!(endpoints::integrity::check_all))
        .routes(READ, routes!(endpoints::integrity::check_sku));
    openapi::describe_parameters(routes.description());
    routes
}

/// The service's HTTP surface.
pub fn router(
    projections: ProjectionSet,
    overviews: Overviews,
    settings: HttpConfig,
    callers: &Callers,
    sign_in: &SignIn,
) -> Router {
    let gate = gate::Gate::new(config::count(settings.requests_max), longest_answer(settings));
    let limits = from_fn_with_state(gate, gate::guard);
    let ready = get(health::ready);
    let routes = routes().layer(Extension(overviews)).layer(limits);
    let (router, table) = service_edge::http::router::<Code, _>(routes, ready, projections);
    let gate = sign_in.gate(table).map(|gate| from_fn_with_state(gate, guard::<Code>));
    router.layer(
        // From the outside in. Each `layer` of the router would box every request once more.
        ServiceBuilder::new()
            .layer(from_fn_with_state(callers.clone(), frame::<Code>))
            .option_layer(callers.cors())
            .layer(CatchPanicLayer::custom(of_panic::<Code>))
            .option_layer(gate),
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
        service_edge::http::assert_description_is_committed(
            routes(),
            env!("CARGO_MANIFEST_DIR").as_ref(),
        );
    }
}
