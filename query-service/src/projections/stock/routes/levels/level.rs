//! One item at one location.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use shared_events::values::{LocationCode, Sku};

use super::figures::{Lanes, Subject, read_figures};
use super::{Points, StockLevel};
use crate::http::Service;
use crate::http::answer::{Figure, Tag};
use crate::http::past::{Past, PastParameters};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest, ReadResponses};
use crate::http::subject::{location, sku};
use crate::http::wait::{AsOf, Lookup, MinPosition, read_when_applied};

/// One sku at one location; a registered pair without history has zeros and version 0.
#[utoipa::path(
    get, path = "/v1/stock/{sku}/{location}",
    params(("sku" = String, Path), ("location" = String, Path), PastParameters, ReadParameters),
    responses(
        (status = 200, body = StockLevel),
        (status = 404, description = "unknown_sku, unknown_location"),
        ReadResponses,
    )
)]
pub async fn get_stock_level(
    State(service): State<Service>,
    Path((sku_text, location_text)): Path<(String, String)>,
    ReadRequest { parameters: past, options }: ReadRequest<PastParameters>,
) -> Result<Response, Problem> {
    let (sku, location) = (sku(&sku_text)?, location(&location_text)?);
    options.require(&location)?;
    let lane = service.lane_map()?.lane_of_item(&sku);
    let past = past.resolve(&service).await?;
    let AsOf { position, value } = if past.is_present() {
        let read = || read_now(&service, &sku, &location);
        read_when_applied(&service, &options.min_position, read).await?
    } else {
        past.must_name(lane)?;
        let subject = Subject { sku: sku.clone(), location: Some(location.clone()) };
        read_past(&service, &options.min_position, &subject, &past).await?
    };
    let figure = value?;
    let position = past.of_lanes(&[lane]).unwrap_or(position);
    let tag = Tag::of_versions(&[figure.version]);
    let known_position = past.known_position(&[lane]);
    Ok(options.answer(&position, &tag, &StockLevel { sku, location, figure, known_position }))
}

/// The current figure: from memory, or read by one statement with those that other requests ask for.
async fn read_now(
    service: &Service,
    sku: &Sku,
    location: &LocationCode,
) -> Result<Lookup<Figure>, Problem> {
    let Points { kept, figures, .. } = service.route_state();
    let reading = match kept.find(service, sku, location) {
        Ok(AsOf { position, value }) => return Ok(AsOf { position, value: Ok(value) }),
        Err(reading) => reading,
    };
    let shared = Arc::clone(service);
    let read = move |subjects| read_many(Arc::clone(&shared), subjects);
    let subject = Subject { sku: sku.clone(), location: Some(location.clone()) };
    let found = figures.ask(subject, read).await?;
    // What has no history depends on more than the row of the pair.
    if let Ok(figure) = &found.value
        && figure.version > 0
    {
        kept.keep(reading, sku.clone(), location.clone(), figure.clone());
    }
    Ok(found)
}

async fn read_many(
    service: Service,
    subjects: Vec<Subject>,
) -> Result<BTreeMap<Subject, Lookup<Figure>>, Problem> {
    let figures = read_figures(&service, &subjects, &Past::default()).await?;
    Ok(subjects.into_iter().zip(figures).collect())
}

/// The figure of the past, once that is applied.
pub(crate) async fn read_past(
    service: &Service,
    required: &MinPosition,
    subject: &Subject,
    past: &Past,
) -> Result<Lookup<Figure>, Problem> {
    let required = past.requires(required, &Lanes::of(service, subject)?.all());
    let read = || async {
        let mut figures = read_figures(service, std::slice::from_ref(subject), past).await?;
        figures.pop().ok_or_else(|| sqlx::Error::RowNotFound.into())
    };
    read_when_applied(service, &required, read).await
}
