//! HTTP in, HTTP out.
//!
//! - `correlation` gives each request an id
//! - `request` reads what every command has: path, query, headers, the bytes of the body
//! - `json` parses bodies and finds their faults
//! - `commands` has the body and the handler of each command
//! - `answer` and [`problem`] render outcomes
//! - `permission` refuses what concerns other locations than the caller's
//! - `keys` says which API keys are valid
//! - `personal` opens personal data, `subjects` lists and forgets those of a person
//! - `redactions` removes bytes of events
//! - `log` serves the log, `relay` says how far it is published, `health` answers `/readyz`, `openapi` describes problems
//! - [`contract`] describes the topics for machines of others

mod correlation;
mod request;
mod json;
mod commands;
mod answer;
pub mod problem;
mod log;
mod health;
mod keys;
mod permission;
mod relay;
mod personal;
mod subjects;
mod redactions;
mod openapi;
pub mod contract;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use service_edge::callers::Callers;
use service_edge::http::frame;
use service_edge::problem::of_panic;
use service_edge::sign_in::SignIn;
use service_edge::sign_in::gate::guard;
use service_edge::sign_in::routes::{Access, Routes};
use service_edge::sign_in::scope::Scope;
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::routes;

use self::answer::{Accepted, BatchAnswer};
use self::commands::reversal::ReversalAnswer;
use self::problem::Code;
use crate::api_keys::ApiKeyTable;
use crate::log::read::LogReader;
use crate::log::writer::Writer;
use crate::personal::PersonalVault;
use crate::redaction::Redactor;
use crate::relay::RelayStatus;
use crate::reversals::WindowReversals;

/// Everything that a handler may use.
#[derive(Debug)]
pub struct AppState {
    pub writer: watch::Receiver<WriterState>,
    pub log: LogReader,
    pub relay: RelayStatus,
    pub reversals: WindowReversals,
    pub redactor: Redactor,
    pub api_keys: ApiKeyTable,
    pub sign_in: SignIn,
    /// None: the service keeps no personal data.
    pub vault: Option<PersonalVault>,
    /// The description of the topics.
    pub asyncapi: Arc<str>,
    pub config: CommandConfig,
}

/// Whether commands are accepted.
#[derive(Debug, Clone)]
pub enum WriterState {
    /// Not yet: the log's lanes are not known, so there is no writer.
    Starting,
    Running(Writer),
    /// No longer: the service is stopping.
    Stopped,
}

/// How commands are treated.
#[derive(Debug, Clone, Copy)]
pub struct CommandConfig {
    /// Whether a command must have an idempotency key.
    pub require_key: bool,
    /// How long a command may wait in the queue.
    pub command_deadline: Duration,
    /// How long an answer may take.
    pub answer_timeout: Duration,
}

/// Stockbook's command-service: decides stock commands and records what happened.
#[derive(OpenApi)]
#[openapi(
    info(title = "Stockbook command-service"),
    paths(log::list_stream_events, log::state::read_state),
    components(schemas(Accepted, BatchAnswer, ReversalAnswer, log::EventLine, keys::ApiKeyLine)),
    tags(
        (name = "commands", description = "Change stock. Each command takes effect completely or not at all."),
        (name = "log", description = "What happened, in order."),
        (name = "operators", description = "For those who keep the service running."),
    ),
)]
struct Api;

/// Every route, with its description.
fn routes() -> Routes<Arc<AppState>> {
    const LOG: Access = Access::everywhere(Scope::LogRead);
    Routes::of(Api::openapi())
        .merge(commands::routes())
        .merge(subjects::routes())
        .merge(redactions::routes())
        .routes(LOG, routes!(log::list_lanes))
        .routes(LOG, routes!(log::list_lane_events))
        .routes(LOG, routes!(log::merged::list_events))
        .routes(Access::by_location(Scope::LogRead), routes!(log::event::read_event))
        .routes(LOG, routes!(relay::list_relayed))
        // The name of a stream has slashes, so the handler takes off what follows it.
        .described_as(
            Access::by_location(Scope::LogRead),
            "/v1/streams/{*name}",
            &["/v1/streams/{stream}/events", "/v1/streams/{stream}/state"],
            get(log::read_stream),
        )
        .routes(Access::everywhere(Scope::PersonalRead), routes!(personal::open_event))
        .routes(Access::everywhere(Scope::Operate), routes!(keys::list_keys))
}

/// The service's HTTP surface.
pub fn router(app: AppState, callers: &Callers) -> Router {
    let sign_in = app.sign_in.clone();
    let ready = get(health::ready);
    let contract = contract::router(Arc::clone(&app.asyncapi));
    let (router, table) = service_edge::http::router::<Code, _>(routes(), ready, Arc::new(app));
    let router = router.merge(contract);
    let gate = sign_in.gate(table).map(|gate| from_fn_with_state(gate, guard::<Code>));
    // In one `layer`, from the outside in: each further one would box every request once more.
    router.layer(
        ServiceBuilder::new()
            .layer(from_fn_with_state(callers.clone(), frame::<Code>))
            .option_layer(callers.cors())
            .layer(from_fn(correlation::correlate))
            .layer(CatchPanicLayer::custom(of_panic::<Code>))
            .option_layer(gate),
    )
}
