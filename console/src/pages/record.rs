//! `/record` and `/record/{kind}`: forms that send a command, with its problem at the field that it names.

mod kind;
mod place;

use std::collections::HashMap;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect, Response};
use reqwest::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use self::kind::{Field, Kind};
use super::{all_locations, link};
use crate::answers::Location;
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Command, Failure, Problem, Service, Services};
use crate::texts::Texts;

/// What somebody wrote into a form, by the names of its fields.
pub(super) type Values = HashMap<String, String>;

/// A field, with what was written and what is wrong with it.
#[derive(Debug)]
struct Shown {
    field: Field,
    value: String,
    fault: Option<String>,
}

#[derive(Template)]
#[template(path = "record.html")]
struct RecordPage {
    t: &'static Texts,
    frame: Frame,
    kind: Kind,
    kinds: Vec<Kind>,
    fields: Vec<Shown>,
    locations: Vec<Location>,
    /// Sent twice, the form takes effect once.
    key: String,
    problem: Option<Problem>,
}

pub(crate) async fn form(
    services: Services,
    Path(kind): Path<String>,
    Query(values): Query<Values>,
) -> Result<Response, Failure> {
    let kind = Kind::named(&kind).ok_or(Failure::NotFound)?;
    let page = page(&services, kind, &values, None).await?;
    frame::page(&page)
}

pub(crate) async fn first() -> Redirect {
    Redirect::to("/record/receive")
}

/// What a command answers, as far as the next page shows it.
#[derive(Debug, Deserialize)]
struct Done {
    position: String,
}

pub(crate) async fn send(
    services: Services,
    Path(kind): Path<String>,
    Form(values): Form<Values>,
) -> Result<Response, Failure> {
    let kind = Kind::named(&kind).ok_or(Failure::NotFound)?;
    let request = kind.request(&values)?;
    let command = Command {
        method: request.method,
        path: request.path,
        body: &request.body,
        key: values.get("key").map(String::as_str).filter(|key| !key.is_empty()),
        validate_only: false,
    };
    match services.send::<Done>(Service::Command, command).await {
        Ok(Done { position }) => {
            let page = link(&kind.leads_to(&values), &[("seen", &position)]);
            Ok(Redirect::to(&page).into_response())
        }
        Err(Failure::Refused { problem, .. }) if problem.status < 500 => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::CONFLICT);
            let page = page(&services, kind, &values, Some(*problem)).await?;
            Ok(frame::rendered(status, &page))
        }
        Err(failure) => Err(failure),
    }
}

async fn page(
    services: &Services,
    kind: Kind,
    values: &Values,
    problem: Option<Problem>,
) -> Result<RecordPage, Failure> {
    let faults = problem.as_ref().map(|problem| place::faults(problem, kind, values));
    let faults = faults.unwrap_or_default();
    let shown = |field: Field| Shown {
        value: values.get(field.name).cloned().unwrap_or_default(),
        fault: faults.iter().find(|(name, _)| *name == field.name).map(|(_, fault)| fault.clone()),
        field,
    };
    Ok(RecordPage {
        t: reader::texts(),
        frame: Frame::still(Section::Record),
        kind,
        kinds: Kind::ALL.to_vec(),
        fields: kind.fields(reader::texts()).into_iter().map(shown).collect(),
        locations: all_locations(services).await?,
        key: Uuid::now_v7().to_string(),
        problem,
    })
}
