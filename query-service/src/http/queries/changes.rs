//! The events that the views have applied, for those who follow without Kafka: page by page, or as a
//! stream that stays open.

mod feed;
mod pages;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use shared_events::lane::PositionToken;

use crate::http::answer::STOCK_POSITION;
use crate::http::problem::Problem;
use crate::http::request::Request;
use crate::http::wait::{FreshnessParameters, applied, position, take_position};
use crate::projection_set::ProjectionSet;
use crate::projections::stock::Stock;
use crate::projections::view::View;

/// Events of one page, unless the request says how many.
const LIMIT_DEFAULT: i64 = 1_000;
const LIMIT_MAX: i64 = 10_000;

/// After which position the list goes on.
const NEXT_POSITION: HeaderName = HeaderName::from_static("next-position");

/// Where a client that lost its stream left off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The events that are applied, one JSON object a line, as the log tells them: in each lane by
/// position, all lanes merged.
///
/// The list ends with what is applied when it is asked for, or when it has grown too large: going on
/// after Next-Position misses nothing and repeats nothing. With `Accept: text/event-stream` the
/// answer stays open and tells events as they are applied, each with the position after it as its id,
/// so that `Last-Event-ID` goes on exactly there.
#[utoipa::path(
    get,
    path = "/v1/changes",
    params(
        ("after" = Option<String>, Query, description = "the position to begin after; the start of the log if it is left out"),
        ("limit" = Option<i64>, Query, description = "1 to 10,000 events, 1,000 by default; not with text/event-stream"),
        FreshnessParameters,
        ("Last-Event-ID" = Option<String>, Header, description = "goes before after"),
    ),
    responses(
        (status = 200, description = "Finite NDJSON, or server-sent events", content(
            (String = "application/x-ndjson"),
            (String = "text/event-stream"),
        ), headers(("Next-Position" = String, description = "the position after the last line"))),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable, overloaded"),
    )
)]
pub async fn follow_changes(
    State(projections): State<ProjectionSet>,
    headers: HeaderMap,
    mut request: Request,
) -> Result<Response, Problem> {
    let service = projections.active(Stock::PROJECTION);
    let parameters = &mut request.parameters;
    let after = take_position(parameters, "after", &service)?.unwrap_or_default();
    let stays_open = wants_stream(&headers);
    let limit = if stays_open { None } else { parameters.take_integer("limit", 1..=LIMIT_MAX)? };
    let terms = request.finish()?;
    let Ok(place) = service.feeds.clone().try_acquire_owned() else {
        return Err(Problem::Overloaded);
    };
    let applied = applied(&service, &terms.wanted).await?;
    if stays_open {
        let after = match headers.get(LAST_EVENT_ID) {
            Some(text) => position(text.to_str().unwrap_or("?"), "Last-Event-ID", &service)?,
            None => after,
        };
        return Ok(feed::open(projections, after, place));
    }
    let limit = usize::try_from(limit.unwrap_or(LIMIT_DEFAULT)).expect("it is small and positive");
    let page = pages::next(&service.log, &after, &applied, limit).await.map_err(|error| {
        tracing::warn!(%error, "the log cannot be read");
        Problem::ProjectionUnavailable(
            "the log does not answer, and it keeps the events".to_owned(),
        )
    })?;
    let mut next = after;
    let mut lines = Vec::new();
    for line in page {
        next.reach(line.id.0, line.id.1);
        lines.extend_from_slice(line.json.as_bytes());
        lines.push(b'\n');
    }
    if let (true, Some((lane, _))) = (next.is_empty(), applied.iter().next()) {
        // An empty token has no text; the start of any lane says the same.
        next.reach(lane, Default::default());
    }
    let text = |token: PositionToken| {
        HeaderValue::try_from(token.to_string()).expect("a token is plain ASCII")
    };
    let content_type = HeaderValue::from_static("application/x-ndjson");
    let headers = [
        (CONTENT_TYPE, content_type),
        (NEXT_POSITION, text(next)),
        (STOCK_POSITION, text(applied)),
    ];
    Ok((headers, lines).into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}
