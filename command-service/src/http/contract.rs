//! What the topics carry, described for machines of others.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use shared_events::asyncapi::{self, Topics};
use shared_events::schema;

use super::problem::{Code, Problem};
use crate::config::ServeConfig;

const SCHEMA: &str = "application/schema+json";

/// The AsyncAPI description of this deployment's topics.
pub fn description(config: &ServeConfig) -> Arc<str> {
    let payments = &config.payments.topics;
    let topics = Topics {
        events: &config.topic,
        payment_requests: &payments.payment_requests_topic,
        payment_replies: &payments.payment_replies_topic,
        choreography: payments.choreography_topic.as_deref(),
    };
    asyncapi::document(&topics).to_string().into()
}

pub(super) fn router(description: Arc<str>) -> Router {
    let described = async move || ([(CONTENT_TYPE, "application/json")], description.to_string());
    Router::new()
        .route("/asyncapi.json", get(described))
        .route("/schemas/{type}/{version}", get(read_schema))
}

async fn read_schema(
    Path((record_type, version)): Path<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let name = format!("{record_type}/{version}");
    let found = version.parse().ok().and_then(|version| schema::of(&record_type, version));
    match found {
        Some(schema) => Ok(([(CONTENT_TYPE, SCHEMA)], schema)),
        None => Err(Problem::missing(Code::NotFound, format!("there is no schema {name}"), name)),
    }
}
