//! The API keys that are valid now, for services that sign callers in by them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use service_edge::sign_in::api_key::StoredKey;
use service_edge::sign_in::keys::KeyList;
use shared_events::values::AMOUNT_MAX;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::AppState;
use super::json::numbers::{Integer, IntegerOr};
use super::json::{InQuery, object};
use super::openapi::ReadProblems;
use super::problem::Problem;
use super::request::query;
use crate::log::read::ReadError;

/// How old an answer's knowledge may be. The keys are read several times as often.
const AGE_MAX: Duration = Duration::from_secs(2);

object! {
    /// What the caller knows already.
    pub(crate) struct KeysQuery {
        /// The version that the caller has: the answer is 204 as long as there is no other.
        #[serde(default)]
        known: Option<Integer<i64, 0, AMOUNT_MAX>>,
        /// How long to wait for another version, in milliseconds; at once by default.
        #[serde(default)]
        wait_ms: IntegerOr<0, 0, 10_000>,
    }
}

/// The API keys that are valid now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(crate) struct ApiKeyList {
    /// Grows with every change.
    version: i64,
    #[schema(value_type = Vec<ApiKeyLine>)]
    items: Arc<[StoredKey]>,
}

/// An API key, without its secret.
#[derive(Debug, ToSchema)]
#[schema(as = ApiKey)]
#[expect(dead_code, reason = "describes `StoredKey`, which the edge of the services serializes")]
pub(crate) struct ApiKeyLine {
    id: String,
    /// SHA-256 of the whole key, in lower hex.
    hash: String,
    name: String,
    scopes: Vec<String>,
    /// Null: all.
    locations: Option<Vec<String>>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// Requests a second.
    rate: Option<u32>,
}

/// The API keys that are valid now, by which another service signs callers in.
///
/// With `known` and `wait_ms` a service asks again and again, and hears of a change at once.
#[utoipa::path(
    get, path = "/v1/keys", tag = "operators",
    params(InQuery::<KeysQuery>),
    responses(
        (status = 200, description = "All of them", body = ApiKeyList),
        (status = 204, description = "The caller has this version"),
        ReadProblems,
    ),
)]
pub(crate) async fn list_keys(
    State(app): State<Arc<AppState>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let KeysQuery { known, wait_ms } = query::parse(&uri)?;
    let known = known.map(|version| version.0);
    let KeyList { version, keys } = match app.sign_in.keys() {
        Some(keys) => {
            if let Some(known) = known {
                let wait = Duration::from_millis(wait_ms.0.unsigned_abs());
                // What is known after the wait is the answer, whether it changed or not.
                let _ = timeout(wait, keys.changed_from(known)).await;
            }
            keys.list(AGE_MAX).ok_or_else(Problem::log_unavailable)?
        }
        // Without sign-in nobody here needs them, so nobody has read them.
        None => app.api_keys.list().await.map_err(ReadError::from)?,
    };
    match version {
        Some(version) if Some(version) == known => Ok(StatusCode::NO_CONTENT.into_response()),
        Some(version) => Ok(Json(ApiKeyList { version, items: keys }).into_response()),
        None => Err(Problem::log_unavailable()),
    }
}
