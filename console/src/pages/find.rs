//! `/find`: from a name, an id or a position to its page.

use askama::Template;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::at::is_token;
use super::streams::find_event;
use super::{link, segment};
use crate::answers::{Event, Level, Movement, Order, Page, Reservation};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services, known, permitted};
use crate::texts::Texts;

const FOUND: &str = "20";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    q: String,
}

#[derive(Template)]
#[template(path = "found.html")]
struct FoundPage {
    t: &'static Texts,
    frame: Frame,
    q: String,
    /// What one command, and what follows from it, recorded.
    events: Vec<Event>,
    /// Items whose names begin so.
    items: Vec<Level>,
    /// Of the owner who is called so.
    orders: Vec<Order>,
    reservations: Vec<Reservation>,
    /// What the actor who is called so did.
    movements: Vec<Movement>,
}

impl FoundPage {
    fn is_empty(&self) -> bool {
        let Self { events, items, orders, reservations, movements, .. } = self;
        let lists = [events.len(), items.len(), orders.len(), reservations.len(), movements.len()];
        lists.iter().all(|length| *length == 0)
    }
}

pub(crate) async fn show(
    services: Services,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let q = asked.q.trim();
    if let Some(page) = one(&services, q).await? {
        return Ok(Redirect::to(&page).into_response());
    }
    let (events, mut items, orders, reservations, movements) = tokio::try_join!(
        of_correlation(&services, q),
        some::<Level>(&services, "/v1/stock", ("sku_prefix", q)),
        some(&services, "/v1/orders", ("owner", q)),
        some(&services, "/v1/reservations", ("owner", q)),
        some(&services, "/v1/movements", ("actor", q)),
    )?;
    items.dedup_by(|one, other| one.sku == other.sku);
    frame::page(&FoundPage {
        t: reader::texts(),
        frame: Frame::still(Section::Elsewhere),
        q: q.to_owned(),
        events,
        items,
        orders,
        reservations,
        movements,
    })
}

/// The page of the one thing that is called so.
async fn one(services: &Services, q: &str) -> Result<Option<String>, Failure> {
    let Ok(name) = segment(q) else { return Ok(Some("/".to_owned())) };
    if is_token(q) {
        return at_position(services, q).await;
    }
    if let Some(event) = find_event(services, q).await? {
        return Ok(Some(format!("/events/{}", event.id)));
    }
    let is_stream = ["item", "stock", "location", "reservation", "transfer", "order"];
    if q.split_once('/').is_some_and(|(kind, _)| is_stream.contains(&kind)) {
        return Ok(Some(format!("/streams/{q}")));
    }
    for (service, kind, page) in [
        (Service::Query, "items", "items"),
        (Service::Query, "orders", "orders"),
        (Service::Query, "transfers", "transfers"),
        (Service::Query, "reservations", "reservations"),
        (Service::Command, "reversals", "operations/reversals"),
    ] {
        let path = format!("/v1/{kind}/{name}");
        let answer = services.get::<IgnoredAny>(service, &path, &[]).await;
        if refused_as_none(answer)?.is_some() {
            return Ok(Some(format!("/{page}/{name}")));
        }
    }
    Ok(None)
}

/// The event that brought its lane to a position.
async fn at_position(services: &Services, token: &str) -> Result<Option<String>, Failure> {
    let first = token.split(',').next().unwrap_or_default().replace(':', "-");
    let event: Option<Event> = find_event(services, &first).await?;
    Ok(event.map(|event| {
        link(&format!("/streams/{}", event.stream), &[("version", &event.version.to_string())])
    }))
}

async fn some<T: serde::de::DeserializeOwned>(
    services: &Services,
    path: &str,
    parameter: (&str, &str),
) -> Result<Vec<T>, Failure> {
    let page = services.get::<Page<T>>(Service::Query, path, &[parameter, ("limit", FOUND)]).await;
    Ok(refused_as_none(page)?.map(|page| page.items).unwrap_or_default())
}

async fn of_correlation(services: &Services, q: &str) -> Result<Vec<Event>, Failure> {
    let parameters = [("correlation_id", q), ("limit", FOUND)];
    let events = services.lines(Service::Command, "/v1/events", &parameters).await;
    Ok(refused_as_none(events)?.unwrap_or_default())
}

/// What cannot be the name of such a thing does not exist, and what a visitor may not see is not found.
fn refused_as_none<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match known(answer) {
        Err(Failure::Refused { problem, .. }) if problem.status == 422 => Ok(None),
        answer => permitted(answer),
    }
}
