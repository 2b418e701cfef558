//! The events that the views have applied, for clients without Kafka: page by page, or as a stream that
//! stays open.

mod feed;
mod pages;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use headers_accept::Accept;
use mediatype::{MediaType, Name, names};
use serde::Deserialize;
use service_edge::sign_in::credential::Locations;
use shared_events::lane::{Position, PositionToken};
use shared_events::recorded::RecordedEvent;
use shared_events::values::LocationCode;
use utoipa::IntoParams;

use crate::http::answer::STOCK_POSITION;
use crate::http::parameters::{Integer, invalid};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::wait::{parse_position, wait_until_applied};
use crate::pipeline::log_client::Line;
use crate::projection_set::ProjectionSet;
use crate::projections::stock::Stock;
use crate::projections::view::View;

const LIMIT_DEFAULT: i64 = 1_000;
pub const LIMIT_MAX: i64 = 10_000;

/// What the events can be sent as.
const NDJSON: MediaType<'_> = MediaType::new(names::APPLICATION, Name::new_unchecked("x-ndjson"));
const EVENT_STREAM: MediaType<'_> = MediaType::new(names::TEXT, names::EVENT_STREAM);

/// For caches: which of them is sent is up to this header.
const BY_ACCEPT: [(HeaderName, HeaderValue); 1] = [(VARY, HeaderValue::from_static("accept"))];

/// The position after which the list continues.
const NEXT_POSITION: HeaderName = HeaderName::from_static("next-position");

/// The last event that a client received before it lost its stream.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The parameters of a list of changes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangesParameters {
    /// The position to begin after; if it is left out, the start of the log.
    after: Option<String>,
    /// 1 to 10,000 events, 1,000 by default; not with text/event-stream.
    #[param(value_type = Option<i64>)]
    limit: Option<Integer<1, LIMIT_MAX>>,
}

/// The applied events as the log has them, one JSON object per line: in each lane by position, all lanes
/// merged.
///
/// The list ends with the last event applied at the time of the request, or when it has grown too large.
/// A credential with locations gets only events that are about no others, so its list may be short or empty
/// although more follow after Next-Position.
/// Continuing after Next-Position misses nothing and repeats nothing. If `Accept` would rather have
/// `text/event-stream` than `application/x-ndjson`, the answer stays open and sends events as they are applied. The id of each is the position after it,
/// so `Last-Event-ID` continues exactly there.
#[utoipa::path(
    get, path = "/v1/changes",
    params(
        ChangesParameters, ReadParameters,
        ("Last-Event-ID" = Option<String>, Header, description = "takes precedence over after"),
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
    ReadRequest { parameters: ChangesParameters { after, limit }, options }: ReadRequest<
        ChangesParameters,
    >,
) -> Result<Response, Problem> {
    let service = projections.active(Stock::PROJECTION);
    let is_stream = wants_stream(&headers);
    if is_stream && limit.is_some() {
        return Err(invalid("limit", "left out with text/event-stream"));
    }
    let position = |text: &str, name| parse_position(text, name, &service);
    let seen = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or("?"));
    let seen = seen.map(|id| position(id, "Last-Event-ID")).transpose()?;
    let after = after.map(|text| position(&text, "after")).transpose()?;
    // What a browser that connects again has seen is newer than what its page asked for first.
    let after = seen.or(after).unwrap_or_default();
    let Ok(permit) = service.feeds.clone().try_acquire_owned() else {
        return Err(Problem::overloaded());
    };
    let applied = wait_until_applied(&service, &options.min_position).await?;
    if is_stream {
        return Ok((BY_ACCEPT, feed::open(projections, after, options, permit)).into_response());
    }
    let limit = limit.map_or(LIMIT_DEFAULT, |limit| limit.0);
    let limit = usize::try_from(limit).expect("a limit is small and positive");
    let page = pages::next(&service.log, &after, &applied, limit).await.map_err(|error| {
        tracing::warn!(%error, "the log cannot be read");
        Problem::unavailable("the log, which has the events, does not answer".to_owned())
    })?;
    let mut next = after;
    let mut lines = Vec::new();
    for line in page {
        next.reach(line.id.0, line.id.1);
        if !is_own(&line, options.locations()) {
            continue;
        }
        lines.extend_from_slice(line.json.as_bytes());
        lines.push(b'\n');
    }
    if let (true, Some((lane, _))) = (next.is_empty(), applied.iter().next()) {
        // An empty token has no text; the start of any lane means the same.
        next.reach(lane, Position(0));
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
    Ok((BY_ACCEPT, headers, lines).into_response())
}

/// Whether all that an event is about, and the other end of what it moves, is where the caller may see it. What
/// cannot be read is not.
fn is_own(line: &Line, locations: &Locations) -> bool {
    if !locations.are_limited() {
        return true;
    }
    let Ok(recorded) = serde_json::from_str::<RecordedEvent>(&line.json) else { return false };
    let other_end = serde_json::from_str::<OtherEnd>(recorded.data.get());
    let (Ok(event), Ok(OtherEnd { from, to })) = (recorded.event(), other_end) else {
        return false;
    };
    let named = event.locations().into_iter().chain(&from).chain(&to);
    named.into_iter().all(|location| locations.include(location.as_str()))
}

/// Where the goods of an event came from or went to, if it says so.
#[derive(Debug, Deserialize)]
struct OtherEnd {
    from: Option<LocationCode>,
    to: Option<LocationCode>,
}

/// Whether the caller would rather have a stream than a list. A caller that names no preference, or none of the
/// two, gets a list.
fn wants_stream(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let accepted = values.collect::<Vec<_>>().join(",").parse::<Accept>();
    accepted
        .is_ok_and(|accepted| accepted.negotiate(&[NDJSON, EVENT_STREAM]) == Some(&EVENT_STREAM))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(values: &[&'static str]) -> bool {
        let values = values.iter().map(|value| (ACCEPT, HeaderValue::from_static(value)));
        wants_stream(&values.collect())
    }

    #[test]
    fn a_stream_is_sent_only_to_those_who_would_rather_have_it() {
        for stream in [
            "text/event-stream",
            "Text/Event-Stream",
            "text/*",
            "text/event-stream, */*;q=0.1",
            "application/x-ndjson;q=0.5, text/event-stream;q=0.6",
            "application/x-ndjson;q=0, text/event-stream;q=0.001",
            "application/x-ndjson;q=0, */*",
            "text/event-stream, application/x-ndjson",
        ] {
            assert!(wants(&[stream]), "{stream}");
        }
        for list in [
            "",
            "*/*",
            "application/x-ndjson",
            "application/json",
            "text/event-stream;q=0",
            "text/event-stream; Q=0.000",
            "text/event-stream;q=0, */*",
            "text/event-stream;q=0, text/*;q=0.5",
            "text/event-stream;q=0.4, application/x-ndjson;q=0.5",
            "text/event-stream;q=0.9, application/*",
            "application/x-ndjson, text/event-stream",
            "text/event-streams",
            "text/event-stream;q=0, application/x-ndjson;q=0",
            "text",
        ] {
            assert!(!wants(&[list]), "{list}");
        }
        assert!(!wants(&[]));
        assert!(wants(&["application/x-ndjson;q=0.1", "text/event-stream"]));
        assert!(!wants(&["text/event-stream;q=0.1", "application/x-ndjson"]));
    }
}
