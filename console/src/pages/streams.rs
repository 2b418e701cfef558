//! `/streams/{stream}`: the events of one thing, one after another, with the state after each.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::Value;

use super::link;
use crate::answers::{Event, StreamState};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services, known};
use crate::texts::Texts;

/// Versions that the page lists around the one it shows.
const LISTED: i64 = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    version: Option<i64>,
}

/// A member of the state, before and after the event.
#[derive(Debug, PartialEq, Eq)]
struct Member {
    name: String,
    before: String,
    after: String,
}

impl Member {
    fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

#[derive(Template)]
#[template(path = "stream.html")]
struct StreamPage {
    t: &'static Texts,
    frame: Frame,
    stream: String,
    /// The page of the thing itself.
    thing: Option<String>,
    head: i64,
    events: Vec<Event>,
    shown: Event,
    data: String,
    /// The event that this one undoes.
    reverses: Option<String>,
    /// The chain of the event before it in its lane.
    chain_before: Option<String>,
    /// Whether the service can compute states of the stream.
    is_readable: bool,
    members: Vec<Member>,
    previous: Option<String>,
    next: Option<String>,
    first: Option<String>,
    last: Option<String>,
}

pub(crate) async fn show(
    services: Services,
    Path(stream): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let path = path_of(&stream)?;
    let state_path = format!("{path}/state");
    let head: Result<StreamState, Failure> = services.get(Service::Command, &state_path, &[]).await;
    let is_readable = !head.as_ref().is_err_and(Failure::is_internal);
    // Of a stream that cannot be read, its events can be.
    let head = if is_readable { head?.version } else { asked.version.unwrap_or(1) };
    let version = asked.version.unwrap_or(head).clamp(1, head.max(1));
    let after = (version - 1 - LISTED / 2).min(head - LISTED).max(0);
    let (events, state, before) = tokio::try_join!(
        read_events(&services, &path, after),
        state_at(&services, &state_path, version, is_readable),
        state_at(&services, &state_path, version - 1, is_readable),
    )?;
    let shown = events.iter().find(|event| event.version == version).cloned();
    let shown = shown.ok_or(Failure::NotFound)?;
    let head = events.iter().map(|event| event.version).max().unwrap_or(head).max(head);
    let chain_before = chain_before(&services, &shown).await?;
    let at = |version: i64| {
        let is_there = (1..=head).contains(&version);
        is_there.then(|| link(&format!("/streams/{stream}"), &[("version", &version.to_string())]))
    };
    frame::page(&StreamPage {
        t: reader::texts(),
        frame: Frame::still(Section::Elsewhere),
        thing: thing(&stream),
        data: pretty(&shown.data),
        reverses: shown.data["reverses"].as_str().map(str::to_owned),
        members: members(&before, &state),
        previous: at(version - 1),
        next: at(version + 1),
        first: at(1).filter(|_| version > 2),
        last: at(head).filter(|_| version < head - 1),
        head,
        is_readable,
        stream,
        events,
        shown,
        chain_before,
    })
}

/// `GET /events/{id}`: leads to the event in its stream.
pub(crate) async fn event(services: Services, Path(id): Path<String>) -> Result<Response, Failure> {
    let found = find_event(&services, &id).await?.ok_or(Failure::NotFound)?;
    let path = format!("/streams/{}", found.stream);
    let to = link(&path, &[("version", &found.version.to_string())]);
    Ok(Redirect::to(&to).into_response())
}

/// The event `{lane}-{position}`.
pub(crate) async fn find_event(services: &Services, id: &str) -> Result<Option<Event>, Failure> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|one| one.is_ascii_digit());
    if !id.split_once('-').is_some_and(|(lane, position)| is_number(lane) && is_number(position)) {
        return Ok(None);
    }
    known(services.get(Service::Command, &format!("/v1/events/{id}"), &[]).await)
}

async fn chain_before(services: &Services, event: &Event) -> Result<Option<String>, Failure> {
    let before = find_event(services, &format!("{}-{}", event.lane, event.position - 1)).await?;
    Ok(before.map(|event| event.chain))
}

/// The path of a stream, each of its parts as one segment.
fn path_of(stream: &str) -> Result<String, Failure> {
    let parts = stream.split('/').map(super::segment).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("/v1/streams/{}", parts.join("/")))
}

async fn read_events(services: &Services, path: &str, after: i64) -> Result<Vec<Event>, Failure> {
    let (after, limit) = (after.to_string(), LISTED.to_string());
    let parameters = [("after", after.as_str()), ("limit", &limit)];
    services.lines(Service::Command, &format!("{path}/events"), &parameters).await
}

/// The state after a version; nothing before the first, and of what cannot be read.
async fn state_at(
    services: &Services,
    path: &str,
    version: i64,
    is_readable: bool,
) -> Result<Value, Failure> {
    if version < 1 || !is_readable {
        return Ok(Value::Null);
    }
    let version = version.to_string();
    let state: StreamState = services.get(Service::Command, path, &[("version", &version)]).await?;
    Ok(state.state)
}

/// Every member that the state has before or after, in order.
fn members(before: &Value, after: &Value) -> Vec<Member> {
    let names = |state: &Value| -> Vec<String> {
        state.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
    };
    let mut all = names(after);
    all.extend(names(before).into_iter().filter(|name| after.get(name).is_none()));
    let text = |state: &Value, name: &str| match state.get(name) {
        None => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Array(_) | Value::Object(_))) => pretty(value),
        Some(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value.to_string(),
    };
    let member =
        |name: String| Member { before: text(before, &name), after: text(after, &name), name };
    all.into_iter().map(member).collect()
}

pub(crate) fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// The page of what a stream is about.
fn thing(stream: &str) -> Option<String> {
    let mut parts = stream.split('/');
    match (parts.next()?, parts.next()?, parts.next()) {
        ("item", sku, None) => Some(format!("/items/{sku}")),
        ("stock", sku, Some(location)) => {
            Some(link(&format!("/items/{sku}"), &[("location", location)]))
        }
        ("reservation", id, None) => Some(format!("/reservations/{id}")),
        ("transfer", id, None) => Some(format!("/transfers/{id}")),
        ("order", id, None) => Some(format!("/orders/{id}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_compared_before_and_after() {
        let members =
            members(&json!({"on_hand": 3, "old": 1}), &json!({"on_hand": 5, "name": "A"}));
        let found = |name: &str| {
            let member = members.iter().find(|member| member.name == name).expect("it is listed");
            (member.before.as_str(), member.after.as_str(), member.is_changed())
        };
        assert_eq!(found("on_hand"), ("3", "5", true));
        assert_eq!(found("name"), ("–", "A", true));
        assert_eq!(found("old"), ("1", "–", true));
    }

    #[test]
    fn a_stream_leads_to_the_page_of_its_thing() {
        assert_eq!(thing("stock/A/MAIN").as_deref(), Some("/items/A?location=MAIN"));
        assert_eq!(thing("order/1-2").as_deref(), Some("/orders/1-2"));
        assert_eq!(thing("location/MAIN"), None);
        assert!(path_of("stock/../MAIN").is_err(), "it stays below /v1/streams");
    }
}
