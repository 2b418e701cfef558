//! Lists of figures.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use super::StockLevel;
use super::list_then::read_stock_levels_then;
use crate::http::Service;
use crate::http::answer::{Figure, LEVEL};
use crate::http::filtered::Filtered;
use crate::http::moment::Moment;
use crate::http::page::{self, Cursor, Page, PageParameters};
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::queries::{lane, stored};
use crate::http::request::Request;
use crate::http::wait::{Freshness, FreshnessParameters, Reflecting, fresh};

/// So many pairs are sorted quickly, and more are met soon enough by walking along all pairs.
const RARE_MAX: i64 = 2_000;

/// One page of figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockPage {
    #[serde(flatten)]
    pub page: Page<StockLevel>,
    /// What `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0:17,1:4")]
    pub known_position: Option<PositionToken>,
}

/// Pairs with a history, by sku and location; with `known_at` or `as_of` those that had one then.
///
/// A page of the past ends after its rows, or after so many pairs that had no history then: it may
/// be short, and another may follow.
#[utoipa::path(
    get,
    path = "/v1/stock",
    params(
        ("location" = Option<String>, Query, description = "only this location"),
        ("sku_prefix" = Option<String>, Query, description = "only skus that begin so"),
        ("available" = Option<i64>, Query, description = "only where exactly so much is available: 0 is sold out"),
        ("available_below" = Option<i64>, Query, description = "only where less is available"),
        ("low" = Option<bool>, Query, description = "only where no more is available than the item's reorder point, if it has one"),
        ("known_at" = Option<String>, Query, description = "as it was known at this time; not with a filter on figures"),
        ("as_of" = Option<String>, Query, description = "what was true at this time by occurred_at; not with a filter on figures"),
        PageParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = StockPage), (status = 304),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn list_stock_levels(
    State(service): State<Service>,
    mut request: Request,
) -> Result<Response, Problem> {
    let moment = Moment::take_for_list(&mut request.parameters, &service)?;
    let filter = Filter::take(&mut request.parameters)?;
    let terms = request.finish()?;
    let (Reflecting { position, found }, known_position) = match moment {
        None => {
            let read = || read_stock_levels(&service, &filter);
            (fresh(&service, &terms.wanted, read).await?, None)
        }
        Some(moment) => {
            filter.must_be_of_names()?;
            let past = moment.resolve(&service).await?;
            let known = past.known.clone();
            let wanted = known.iter().fold(terms.wanted.clone(), Freshness::and);
            let read = || read_stock_levels_then(&service, &filter, &past);
            (fresh(&service, &wanted, read).await?, known)
        }
    };
    let key = |level: &StockLevel| {
        let (sku, location) = (level.sku.clone(), level.location.clone());
        (sku, location, level.figure.version)
    };
    let tag = found.tag(key);
    // An answer about then reflects then, and not how far the views have come since.
    let position = known_position.clone().unwrap_or(position);
    let page = Page { position: position.clone(), ..found };
    Ok(terms.answer(&position, &tag, &StockPage { page, known_position }))
}

/// Which pairs a list holds.
pub(super) struct Filter {
    pub(super) location: Option<LocationCode>,
    pub(super) sku_prefix: Option<Sku>,
    available: Option<i64>,
    available_below: Option<i64>,
    low: bool,
    pub(super) after: Option<(Sku, LocationCode)>,
    pub(super) limit: i64,
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, Problem> {
        Ok(Self {
            location: parameters.take("location")?,
            // What a sku can begin with is what a sku can be, but for `.` and `..`.
            sku_prefix: parameters.take("sku_prefix")?,
            available: parameters.take_integer("available", i64::MIN..=i64::MAX)?,
            available_below: parameters.take_integer("available_below", i64::MIN..=i64::MAX)?,
            low: parameters.take_switch("low")?,
            after: Cursor::take(parameters, |cursor| match cursor {
                Cursor::StockLevel { sku, location } => Some((sku, location)),
                _ => None,
            })?,
            limit: page::take_limit(parameters)?,
        })
    }

    /// Fails if it needs figures, of which only those of now can be looked for.
    fn must_be_of_names(&self) -> Result<(), Problem> {
        let of_figures = [
            ("available", self.available.is_some()),
            ("available_below", self.available_below.is_some()),
            ("low", self.low),
        ];
        match of_figures.iter().find(|(_, is_there)| *is_there) {
            Some((name, _)) => Err(invalid(name, "left out where the past is asked for")),
            None => Ok(()),
        }
    }
}

async fn read_stock_levels(
    service: &Service,
    filter: &Filter,
) -> Result<Reflecting<Page<StockLevel>>, Problem> {
    let after = filter.after.as_ref();
    let is_rare = is_rare(service, filter).await?;
    let rows = Filtered::new(include_str!("../../../../queries/list_stock_levels.sql"))
        .bind(service.projection.version())
        .filter(filter.location.as_ref().map(LocationCode::as_str))
        .filter(filter.sku_prefix.as_ref().map(Sku::as_str))
        .filter(filter.available)
        .filter(filter.available_below)
        .filter(filter.low.then_some(true))
        .filter(after.map(|(sku, _)| sku.as_str()))
        .filter(after.map(|(_, location)| location.as_str()))
        .limit(filter.limit + 1)
        .choose(is_rare)
        .fetch_all(&service.pool)
        .await?;
    page::of_rows(&rows, filter.limit, level, |level| Cursor::StockLevel {
        sku: level.sku.clone(),
        location: level.location.clone(),
    })
}

/// Whether so few pairs have less than what is asked for that sorting them all is quick. Postgres
/// guesses wrong where nearly none has; what it is told here changes how rows are found, not which.
async fn is_rare(service: &Service, filter: &Filter) -> Result<bool, Problem> {
    let Some(below) = filter.available_below else {
        return Ok(false);
    };
    let is_rare =
        sqlx::query_scalar(include_str!("../../../../queries/is_available_below_rare.sql"))
            .bind(below)
            .bind(RARE_MAX)
            .fetch_one(&service.pool)
            .await?;
    Ok(is_rare)
}

pub(super) fn level(row: &PgRow) -> sqlx::Result<StockLevel> {
    Ok(StockLevel {
        sku: stored(row.try_get("sku")?)?,
        location: stored(row.try_get("location")?)?,
        figure: Figure::of(row, lane(row)?, &LEVEL)?,
        known_position: None,
    })
}
