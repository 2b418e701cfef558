//! `/movements`: everything that changed stock, narrowed to an item, a place, an actor, a document or a time.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;

use super::link;
use super::lists::{self, Listed};
use crate::answers::Movement;
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Services};
use crate::shown::Moment;
use crate::texts::Texts;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    sku: String,
    location: String,
    r#type: String,
    reason: String,
    reference: String,
    actor: String,
    from: String,
    to: String,
    cursor: String,
}

#[derive(Template)]
#[template(path = "movements.html")]
struct MovementsPage {
    t: &'static Texts,
    frame: Frame,
    undo: Option<String>,
    asked: Asked,
    list: Listed<Movement>,
}

pub(crate) async fn show(
    services: Services,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let (from, to) = (Moment::exactly(&asked.from), Moment::exactly(&asked.to));
    let filters = [
        ("sku", asked.sku.trim()),
        ("location", asked.location.trim()),
        ("type", asked.r#type.trim()),
        ("reason", asked.reason.trim()),
        ("reference", asked.reference.trim()),
        ("actor", asked.actor.trim()),
        ("from", &from),
        ("to", &to),
    ];
    let list = lists::list(&services, "/movements", &filters, &asked.cursor).await?;
    frame::page(&MovementsPage {
        t: reader::texts(),
        frame: Frame::live(Section::Movements, &list.position),
        undo: undo(&asked, &list.items),
        asked,
        list,
    })
}

/// The form that undoes what the list shows, where it is narrowed by nothing else than what a reversal of a time is.
fn undo(asked: &Asked, shown: &[Movement]) -> Option<String> {
    let Asked { sku, location, r#type, reason, reference, actor, from, to, cursor: _ } = asked;
    let is_chosen = [sku, location, actor, from, to].iter().any(|value| !value.is_empty());
    let is_a_window = [r#type, reason, reference].iter().all(|value| value.is_empty());
    if !(is_chosen && is_a_window) {
        return None;
    }
    let oldest = shown.last()?.recorded_at.exact();
    let newest = shown.first()?.recorded_at.just_after();
    let or = |given: &str, shown: String| if given.is_empty() { shown } else { given.to_owned() };
    let window = [
        ("from", or(from, oldest)),
        ("to", or(to, newest)),
        ("sku", sku.clone()),
        ("location", location.clone()),
        ("actor", actor.clone()),
    ];
    Some(link("/operations", &window.each_ref().map(|(name, value)| (*name, value.as_str()))))
}
