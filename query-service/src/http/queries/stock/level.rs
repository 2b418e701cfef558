//! One item at one location.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use super::figures::{Lanes, Subject, read_figures};
use super::{Points, StockLevel};
use crate::http::Service;
use crate::http::answer::{Figure, Tag};
use crate::http::moment::{Moment, MomentParameters, Past};
use crate::http::problem::Problem;
use crate::http::queries::{location, sku};
use crate::http::request::Request;
use crate::http::wait::{Found, Freshness, FreshnessParameters, Reflecting, fresh};

/// One sku at one location; a registered pair without history has zeros and version 0.
#[utoipa::path(
    get,
    path = "/v1/stock/{sku}/{location}",
    params(
        ("sku" = String, Path), ("location" = String, Path),
        MomentParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = StockLevel), (status = 304),
        (status = 404, description = "unknown_sku, unknown_location"),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn get_stock_level(
    State(service): State<Service>,
    Path((sku_text, location_text)): Path<(String, String)>,
    mut request: Request,
) -> Result<Response, Problem> {
    let moment = Moment::take(&mut request.parameters, &service)?;
    let terms = request.finish()?;
    let (sku, location) = (sku(&sku_text)?, location(&location_text)?);
    let subject = Subject { sku: sku.clone(), location: Some(location.clone()) };
    let lane = service.lane_map()?.lane_of_item(&sku);
    let (Reflecting { position, found }, past) = match moment {
        None => {
            let read = || read_together(&service, subject.clone());
            (fresh(&service, &terms.wanted, read).await?, Past::default())
        }
        Some(moment) => {
            let past = moment.resolve(&service).await?;
            past.must_name(lane)?;
            (read_then(&service, &terms.wanted, &subject, &past).await?, past)
        }
    };
    let figure = found?;
    let position = past.of_lanes(&[lane]).unwrap_or(position);
    let tag = Tag::of_versions(&[figure.version]);
    let known_position = past.known_position(&[lane]);
    Ok(terms.answer(&position, &tag, &StockLevel { sku, location, figure, known_position }))
}

/// The figure now, in a statement with whoever else asks for figures.
async fn read_together(service: &Service, subject: Subject) -> Result<Found<Figure>, Problem> {
    let shared = Arc::clone(service);
    let read = move |subjects| read_many(Arc::clone(&shared), subjects);
    service.route_state::<Points>().figures.ask(subject, read).await
}

async fn read_many(
    service: Service,
    subjects: Vec<Subject>,
) -> Result<BTreeMap<Subject, Found<Figure>>, Problem> {
    let found = read_figures(&service, &subjects, None).await?;
    Ok(subjects.into_iter().zip(found).collect())
}

/// The figure then, once that is applied.
///
/// # Errors
/// It is not applied in time, or the database is away.
pub(crate) async fn read_then(
    service: &Service,
    wanted: &Freshness,
    subject: &Subject,
    past: &Past,
) -> Result<Found<Figure>, Problem> {
    let wanted = past.needs(wanted, &Lanes::of(service, subject)?.all());
    let read = || async {
        let mut found = read_figures(service, std::slice::from_ref(subject), Some(past)).await?;
        found.pop().ok_or_else(|| sqlx::Error::RowNotFound.into())
    };
    fresh(service, &wanted, read).await
}
