//! The events of all lanes together.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use shared_events::lane::PositionToken;
use shared_events::values::Label;
use tokio::time::timeout;

use super::{Limit, Pages, Source, fault};
use crate::http::AppState;
use crate::http::json::{InQuery, object};
use crate::http::openapi::ReadProblems;
use crate::http::problem::Problem;
use crate::http::request::query::{self, AnyText};
use crate::log::read::{LaneHead, Merged};

/// The position after the last line.
const NEXT_POSITION: HeaderName = HeaderName::from_static("next-position");

object! {
    /// The part of all lanes together that is listed.
    pub(crate) struct MergedRange {
        /// The position after which to go on, such as `3:1042,7:88`: an earlier answer's
        /// Next-Position. Absent, the list begins with the first event; so does a lane that is not
        /// named.
        #[serde(default)]
        after: Option<PositionToken>,
        /// Only the events of this correlation, as far as they are recorded, settled or not.
        #[serde(default)]
        correlation_id: Option<AnyText<Label>>,
        /// Events at most.
        #[serde(default)]
        limit: Limit,
    }
}

/// The events of all lanes, one JSON object a line, by recorded_at, then lane, then position.
///
/// The list ends before what is not settled yet. Going on after Next-Position misses no event and
/// repeats none.
#[utoipa::path(
    get, path = "/v1/events", tag = "log",
    params(InQuery::<MergedRange>),
    responses(
        (status = 200, description = "Finite NDJSON: an `Event` a line", body = String,
            content_type = "application/x-ndjson",
            headers(("Next-Position" = String, description = "The position after the last line"))),
        ReadProblems,
    ),
)]
pub(crate) async fn list_events(
    State(app): State<Arc<AppState>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let MergedRange { after, correlation_id, limit } = query::parse(&uri)?;
    let after = after.unwrap_or_default();
    let limit = usize::try_from(limit.0).expect("a limit is small and positive");
    // Each lane's lock is waited for, so the bound of a statement is not that of them all.
    let merging = async {
        match &correlation_id {
            Some(AnyText(correlation)) => app.log.of_correlation(correlation, &after, limit).await,
            None => app.log.merged(&after, limit).await,
        }
    };
    let merged = timeout(app.config.answer_timeout, merging).await;
    match merged.map_err(|_| Problem::log_unavailable())?? {
        Merged::Next { ids, position } => {
            // Events never change, so their ids are enough until they are sent.
            let mut pages = Pages { log: app.log.clone(), source: Source::Events(ids.into_iter()) };
            let first = pages.next().await?;
            let headers = [
                (CONTENT_TYPE, "application/x-ndjson".to_owned()),
                (NEXT_POSITION, position.to_string()),
            ];
            Ok((headers, pages.into_body(first)).into_response())
        }
        Merged::UnknownLane(lane) => {
            Err(fault("/after", format!("names lane {lane}, which the log does not have")))
        }
        Merged::Beyond(LaneHead { lane, position, .. }) => {
            let message = format!("is beyond lane {lane}, which ends at {position}");
            Err(fault("/after", message))
        }
    }
}
