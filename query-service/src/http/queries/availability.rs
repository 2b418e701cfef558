//! How much of many items there is, in one answer of one moment.

mod request;

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::{Lane, Position, PositionToken};
use utoipa::ToSchema;

use self::request::{Asked, Question};
use crate::http::Service;
use crate::http::answer::{Figure, untagged};
use crate::http::moment::Moment;
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::queries::stock::figures::{Lanes, Subject, read_figures};
use crate::http::wait::{Found, Freshness, FreshnessParameters, Reflecting, fresh};

/// The figures of all that was asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Availability {
    /// In the order of the request.
    pub items: Vec<Available>,
    /// The position of every lane that the answer reflects.
    #[schema(value_type = String, example = "0:17,1:4")]
    pub position: PositionToken,
    /// What `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0:17,1:4")]
    pub known_position: Option<PositionToken>,
}

/// The figures of one pair, or of one sku everywhere; or why there are none.
#[derive(Debug, Serialize, ToSchema)]
pub struct Available {
    /// The item, as it was asked for.
    pub sku: String,
    /// Where, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Figures, or why there are none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Outcome {
    /// The figures.
    Figure(Figure),
    /// Why there are none.
    Unknown {
        /// unknown_sku or unknown_location.
        error: &'static str,
    },
}

/// The figures of many pairs; without a location of the sku everywhere.
#[utoipa::path(
    post,
    path = "/v1/availability",
    params(
        ("known_at" = Option<String>, Query, description = "as it was known at this time"),
        ("as_of" = Option<String>, Query, description = "what was true at this time by occurred_at"),
        FreshnessParameters,
    ),
    request_body = Question,
    responses(
        (status = 200, body = Availability),
        (status = 400, description = "malformed_body"),
        (status = 413, description = "body_too_large"),
        (status = 415, description = "unsupported_media_type"),
        (status = 422, description = "validation_failed, invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn ask_availability(
    State(service): State<Service>,
    mut parameters: Parameters,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    // 1. What is asked.
    let wanted = Freshness::take(&mut parameters, &service)?;
    let moment = Moment::take_for_list(&mut parameters, &service)?;
    parameters.finish()?;
    let asked = request::read(&headers, body)?;
    let subjects: Vec<Subject> =
        asked.iter().filter_map(|one| one.subject.as_ref().ok().cloned()).collect();
    // 2. Of which past.
    let past = match moment {
        Some(moment) => Some(moment.resolve(&service).await?),
        None => None,
    };
    let lanes = item_lanes(&service, &subjects)?;
    let wanted = match &past {
        Some(past) => past.needs(&wanted, &all_lanes(&service, &subjects)?),
        None => wanted,
    };
    // 3. All of it in one statement.
    let read = || async {
        let figures = read_figures(&service, &subjects, past.as_ref()).await?;
        let position = figures.iter().flat_map(|one| one.position.iter()).collect();
        Ok(Reflecting { position, found: figures })
    };
    let Reflecting { position, found } = fresh(&service, &wanted, read).await?;
    // 4. In the order of the request.
    let mut position = past.as_ref().and_then(|past| past.of_lanes(&lanes)).unwrap_or(position);
    if position.is_empty() {
        // An empty token has no text; the start of a lane says the same.
        position.reach(Lane(0), Position(0));
    }
    let known_position = past.as_ref().and_then(|past| past.known_position(&lanes));
    let items = in_order(asked, found);
    let availability = Availability { items, position: position.clone(), known_position };
    Ok(untagged(&position, &availability))
}

/// What was found, beside what could not even be looked for.
fn in_order(asked: Vec<Asked>, found: Vec<Found<Figure>>) -> Vec<Available> {
    let mut found = found.into_iter();
    let available = |Asked { sku, location, subject }| {
        let outcome = match subject {
            Ok(_) => found.next().expect("every subject has its figure").found,
            Err(problem) => Err(problem),
        };
        let outcome = match outcome {
            Ok(figure) => Outcome::Figure(figure),
            Err(problem) => Outcome::Unknown { error: problem.code() },
        };
        Available { sku, location, outcome }
    };
    asked.into_iter().map(available).collect()
}

/// The lanes of the items, which their figures stand in.
fn item_lanes(service: &Service, subjects: &[Subject]) -> Result<Vec<Lane>, Problem> {
    let lanes: Result<BTreeSet<Lane>, Problem> =
        subjects.iter().map(|one| Ok(Lanes::of(service, one)?.item)).collect();
    Ok(lanes?.into_iter().collect())
}

/// The lanes of the locations too, which decide what was registered.
fn all_lanes(service: &Service, subjects: &[Subject]) -> Result<Vec<Lane>, Problem> {
    let mut all = BTreeSet::new();
    for subject in subjects {
        all.extend(Lanes::of(service, subject)?.all());
    }
    Ok(all.into_iter().collect())
}
