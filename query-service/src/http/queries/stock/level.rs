//! One item at one location.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::StockLevel;
use super::figures::{Found, Lanes, Subject, read_figures};
use crate::http::Service;
use crate::http::answer::{Tag, answer};
use crate::http::moment::{Moment, MomentParameters, Past};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::queries::{location, sku};
use crate::http::wait::{Freshness, Reflecting, fresh};

/// One sku at one location; a registered pair without history has zeros and version 0.
#[utoipa::path(
    get,
    path = "/v1/stock/{sku}/{location}",
    params(
        ("sku" = String, Path), ("location" = String, Path),
        MomentParameters,
        ("min_position" = Option<String>, Query, description = "wait until this position is applied"),
        ("wait_ms" = Option<i64>, Query, description = "for at most so long, 2,000 by default"),
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
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Freshness::take(&mut parameters, &service)?;
    let moment = Moment::take(&mut parameters, &service)?;
    parameters.finish()?;
    let (sku, location) = (sku(&sku_text)?, location(&location_text)?);
    let subject = Subject { sku: sku.clone(), location: Some(location.clone()) };
    let (position, figure, known_position) = match moment {
        None => {
            let read = || read_together(&service, subject.clone());
            let Reflecting { position, found } = fresh(&service, &wanted, read).await?;
            (position, found?, None)
        }
        Some(moment) => {
            let past = moment.resolve(&service).await?;
            let lanes = Lanes::of(&service, &subject)?;
            past.must_name(lanes.item)?;
            let Reflecting { position, found } =
                read_then(&service, wanted, &subject, &past).await?;
            let told = past.of_lanes(&[lanes.item]);
            (told.unwrap_or(position), found?, past.known_position(&[lanes.item]))
        }
    };
    let tag = Tag::of_versions(&[figure.version]);
    let level = StockLevel { sku, location, figure, known_position };
    Ok(answer(&headers, &position, &tag, &level))
}

/// The figure now, in a statement with whoever else asks for figures.
async fn read_together(service: &Service, subject: Subject) -> Result<Found, Problem> {
    let shared = Arc::clone(service);
    let read = move |subjects| read_many(Arc::clone(&shared), subjects);
    service.points.figures.ask(subject, read).await
}

async fn read_many(
    service: Service,
    subjects: Vec<Subject>,
) -> Result<BTreeMap<Subject, Found>, Problem> {
    let found = read_figures(&service, &subjects, None).await?;
    Ok(subjects.into_iter().zip(found).collect())
}

/// The figure then, once that is applied.
///
/// # Errors
/// It is not applied in time, or the database is away.
pub(crate) async fn read_then(
    service: &Service,
    wanted: Freshness,
    subject: &Subject,
    past: &Past,
) -> Result<Found, Problem> {
    let wanted = past.needs(wanted, &Lanes::of(service, subject)?.all());
    let read = || async {
        let mut found = read_figures(service, std::slice::from_ref(subject), Some(past)).await?;
        found.pop().ok_or_else(|| sqlx::Error::RowNotFound.into())
    };
    fresh(service, &wanted, read).await
}
