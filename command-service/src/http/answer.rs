//! How a command ended, as a response.
//!
//! An accepted command's answer is rendered from its recorded events and from nothing else, so a
//! repeated request gets the same bytes however long ago the first was answered.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared_events::event::{DecodeError, Event, StockChange};
use shared_events::lane::{PositionToken, Version};
use shared_events::recorded::{EventId, RecordedEvent};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, Sku};
use utoipa::ToSchema;

use super::problem::{Code, Problem};
use crate::log::submission::{Decision, Outcome, Unchanged};

/// Where the answer's effects stand in the log.
pub(super) const STOCK_POSITION: HeaderName = HeaderName::from_static("stock-position");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What an accepted command did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Accepted {
    /// The position token that reflects the command; absent when it was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "3:1042")]
    position: Option<PositionToken>,
    /// The log's time; absent when it was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, format = DateTime)]
    recorded_at: Option<Timestamp>,
    /// What belongs together.
    #[schema(value_type = String)]
    correlation_id: Label,
    /// What happened, in the order of the command's lines; nothing where there was nothing to do.
    events: Vec<EventLine>,
    /// The figures afterwards, of every item and location that the command names.
    figures: Vec<FigureLine>,
}

/// One event of a command.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedEvent)]
struct EventLine {
    /// Absent when the command was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "3-1042")]
    id: Option<EventId>,
    #[schema(value_type = String, example = "stock/85123A/MAIN")]
    stream: Stream,
    /// Absent when the command was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    version: Option<Version>,
    #[serde(rename = "type")]
    event_type: String,
}

/// The stock of an item at a location, in base units.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AcceptedFigure)]
struct FigureLine {
    #[schema(value_type = String)]
    sku: Sku,
    #[schema(value_type = String)]
    location: LocationCode,
    on_hand: i64,
    reserved: i64,
    allocated: i64,
    /// on_hand − reserved − allocated.
    available: i64,
    /// Absent when the command was only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    version: Option<Version>,
}

/// The response to a command.
pub(super) fn render(outcome: Outcome, correlation_id: &Label) -> Response {
    match outcome {
        Outcome::Decided(decision) => decided(decision),
        Outcome::Replayed(decision) => {
            let mut response = decided(decision);
            response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
            response
        }
        Outcome::Valid(events) => valid(&events, correlation_id.clone()).into_response(),
        Outcome::KeyReused => Problem::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key was used with another route or body",
        )
        .into_response(),
        Outcome::NotExecuted(reason) => Problem::from(reason).into_response(),
        Outcome::Unknown => Problem::outcome_unknown().into_response(),
    }
}

fn decided(decision: Decision) -> Response {
    match decision {
        Decision::Accepted(events) => match events.first().map(|first| accepted(first, &events)) {
            Some(Ok(answer)) => answer.into_response(),
            Some(Err(error)) => Problem::internal(&error).into_response(),
            None => Problem::internal(&"a command was accepted without events").into_response(),
        },
        Decision::Unchanged(unchanged) => Answer::of_unchanged(unchanged).into_response(),
        Decision::Rejected(rejection) => Problem::from(rejection).into_response(),
    }
}

/// A status and a body, before they are bytes.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    body: Accepted,
}

/// All events of a command share what is asked of the first.
fn accepted(first: &RecordedEvent, events: &[RecordedEvent]) -> Result<Answer, DecodeError> {
    let mut status = StatusCode::OK;
    let mut figures = FigureLines::default();
    for recorded in events {
        let event = recorded.event()?;
        if names_something_new(&event) {
            status = StatusCode::CREATED;
        }
        figures.follow(&event, Some(recorded.version));
    }
    let body = Accepted {
        position: Some(events.iter().map(|event| (event.lane, event.position)).collect()),
        recorded_at: Some(first.recorded_at),
        correlation_id: first.correlation_id.clone(),
        events: events.iter().map(EventLine::of_recorded).collect(),
        figures: figures.lines,
    };
    Ok(Answer { status, body })
}

fn valid(events: &[Event], correlation_id: Label) -> Answer {
    let mut figures = FigureLines::default();
    for event in events {
        figures.follow(event, None);
    }
    let body = Accepted {
        position: None,
        recorded_at: None,
        correlation_id,
        events: events.iter().map(EventLine::of_possible).collect(),
        figures: figures.lines,
    };
    Answer { status: StatusCode::OK, body }
}

impl Answer {
    fn of_unchanged(unchanged: Unchanged) -> Self {
        let body = Accepted {
            position: Some(unchanged.position),
            recorded_at: Some(unchanged.recorded_at),
            correlation_id: unchanged.correlation_id,
            events: Vec::new(),
            figures: Vec::new(),
        };
        Self { status: StatusCode::OK, body }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(position) = &self.body.position {
            let position = HeaderValue::try_from(position.to_string())
                .expect("a position token is digits, colons and commas");
            headers.insert(STOCK_POSITION, position);
        }
        let body = serde_json::to_vec(&self.body)
            .expect("an answer is text, integers and lists of them, which JSON can hold");
        (self.status, headers, body).into_response()
    }
}

impl EventLine {
    fn of_recorded(event: &RecordedEvent) -> Self {
        Self {
            id: Some(event.id()),
            stream: event.stream.clone(),
            version: Some(event.version),
            event_type: event.event_type.clone(),
        }
    }

    fn of_possible(event: &Event) -> Self {
        Self {
            id: None,
            stream: event.stream(),
            version: None,
            event_type: event.event_type().to_owned(),
        }
    }
}

/// The last figures of every stock stream, in the order in which the streams first appear.
#[derive(Debug, Default)]
struct FigureLines {
    lines: Vec<FigureLine>,
    places: HashMap<(Sku, LocationCode), usize>,
}

impl FigureLines {
    fn follow(&mut self, event: &Event, version: Option<Version>) {
        let Some(StockChange { sku, location, after, .. }) = event.stock_change() else {
            return;
        };
        let line = FigureLine {
            sku: sku.clone(),
            location: location.clone(),
            on_hand: after.on_hand,
            reserved: after.reserved,
            allocated: after.allocated,
            available: after.available(),
            version,
        };
        let next = self.lines.len();
        match *self.places.entry((sku.clone(), location.clone())).or_insert(next) {
            place if place == next => self.lines.push(line),
            place => self.lines[place] = line,
        }
    }
}

fn names_something_new(event: &Event) -> bool {
    matches!(event, Event::ItemRegistered(_) | Event::LocationRegistered(_))
}
