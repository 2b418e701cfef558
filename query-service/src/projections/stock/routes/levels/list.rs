//! Lists of figures.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared_events::lane::PositionToken;
use shared_events::values::LocationCode;
use sqlx::Row;
use utoipa::{IntoParams, ToSchema};

use super::StockLevel;
use crate::database;
use crate::http::Service;
use crate::http::page::{self, ListRow, Page, PageParameters, PageQuery, PageResponses, PairKey};
use crate::http::parameters::{Integer, On, invalid};
use crate::http::past::{ListPastParameters, Past};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::rows::parsed;
use crate::http::subject::SkuPrefix;
use crate::http::wait::{AsOf, MinPosition, read_when_applied};

/// Up to this many pairs are quickly sorted. More pairs are soon met by walking along all pairs.
const RARE_MAX: i64 = 2_000;

/// How many current pairs may be looked at for each row of a page of the past.
const PAIRS_PER_ROW: i64 = 20;

/// One page of figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockPage {
    #[serde(flatten)]
    pub page: Page<StockLevel>,
    /// The position that `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0:17,1:4")]
    pub known_position: Option<PositionToken>,
}

impl ListRow for StockLevel {
    const LIST: &'static str = "stock_level";
    const ORDER: &'static str = "sku, location";
    type Key = PairKey;

    fn key(&self) -> PairKey {
        PairKey { sku: self.sku.clone(), location: self.location.clone() }
    }

    fn version(&self) -> i64 {
        self.figure.version
    }
}

/// The filters of a list of figures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StockFilter {
    /// Only this location.
    #[param(value_type = Option<String>)]
    location: Option<LocationCode>,
    /// Only skus with this prefix.
    #[param(value_type = Option<String>)]
    sku_prefix: Option<SkuPrefix>,
    /// Only pairs with exactly this available quantity: 0 is sold out.
    #[param(value_type = Option<i64>)]
    available: Option<Integer>,
    /// Only pairs with less than this available quantity.
    #[param(value_type = Option<i64>)]
    available_below: Option<Integer>,
    /// Only pairs whose available quantity is not above the item's reorder point, if it has one.
    #[param(value_type = Option<bool>)]
    low: Option<On>,
}

/// Pairs with a history, by sku and location; with `known_at` or `as_of` the pairs that had one then.
///
/// The past cannot be combined with a filter on figures. A page of the past ends after its rows, or
/// after a bounded number of pairs without a history then: it may be short, and another may follow.
#[utoipa::path(
    get, path = "/v1/stock",
    params(StockFilter, ListPastParameters, PageParameters, ReadParameters),
    responses((status = 200, body = StockPage), PageResponses),
)]
pub async fn list_stock_levels(
    State(service): State<Service>,
    ReadRequest { parameters: (filter, past, page), options }: ReadRequest<(
        StockFilter,
        ListPastParameters,
        PageParameters,
    )>,
) -> Result<Response, Problem> {
    let after = page.after::<StockLevel>()?;
    let (after, limit) = (after.as_ref(), page.limit());
    let past = past.resolve(&service).await?;
    let AsOf { position, value } = if past.is_present() {
        let read = || read_current(&service, &filter, after, limit);
        read_when_applied(&service, &options.min_position, read).await?
    } else {
        filter.must_not_be_on_figures()?;
        let required = past.known.iter().fold(options.min_position.clone(), MinPosition::and);
        let read = || read_past(&service, &filter, &past, after, limit);
        read_when_applied(&service, &required, read).await?
    };
    let tag = value.tag();
    let known_position = past.known;
    // An answer about the past reflects the past, and not how far the views have come since.
    let position = known_position.clone().unwrap_or(position);
    let page = Page { position: position.clone(), ..value };
    Ok(options.answer(&position, &tag, &StockPage { page, known_position }))
}

impl StockFilter {
    /// Fails on a filter on figures, since only current figures can be searched.
    fn must_not_be_on_figures(&self) -> Result<(), Problem> {
        let on_figures = [
            ("available", self.available.is_some()),
            ("available_below", self.available_below.is_some()),
            ("low", self.low.is_some()),
        ];
        match on_figures.iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => Err(invalid(name, "left out when asking for the past")),
            None => Ok(()),
        }
    }

    fn push_names(&self, query: &mut PageQuery, after: Option<&PairKey>) {
        query.filter(" and location = ", self.location.as_ref().map(LocationCode::as_str));
        if let Some(prefix) = &self.sku_prefix {
            query.push(" and sku >= ").bind(prefix.as_str());
            query.push(" and sku < ").bind(format!("{}\x7f", prefix.as_str()));
        }
        query.after_pair(after);
    }
}

async fn read_current(
    service: &Service,
    filter: &StockFilter,
    after: Option<&PairKey>,
    limit: i64,
) -> Result<AsOf<Page<StockLevel>>, Problem> {
    let mut query = PageQuery::new(
        "with page as (\
             select true as present, lane, position, sku, location, on_hand, reserved, allocated, \
                 available, version, updated_at \
             from stock_levels where true",
    );
    filter.push_names(&mut query, after);
    query.filter(" and available = ", filter.available.map(|number| number.0));
    query.filter(" and available < ", filter.available_below.map(|number| number.0));
    if filter.low == Some(On::True) {
        query.push(" and low");
    }
    // `|| ''` keeps the order but not the index along which pairs that do not match would be read.
    let is_rare = is_rare(service, filter).await?;
    query.order_by(if is_rare { "sku || '', location" } else { StockLevel::ORDER }, limit + 1);
    query.fetch(service, limit).await
}

/// Whether so few pairs have less than `available_below` that sorting them all is quick. Postgres
/// estimates wrongly where almost none has. The answer decides how rows are found, not which.
async fn is_rare(service: &Service, filter: &StockFilter) -> Result<bool, Problem> {
    let Some(Integer(below)) = filter.available_below else {
        return Ok(false);
    };
    let statement = include_str!("../../is_available_below_rare.sql");
    let query = sqlx::query_scalar(statement).bind(below).bind(RARE_MAX);
    Ok(query.fetch_one(&service.pool).await?)
}

/// Looks up in the past each of the current pairs. The page ends when it is full, or when
/// [`PAIRS_PER_ROW`] pairs for each row were looked at: pairs that are newer than the past must not make
/// it slow.
async fn read_past(
    service: &Service,
    filter: &StockFilter,
    past: &Past,
    after: Option<&PairKey>,
    limit: i64,
) -> Result<AsOf<Page<StockLevel>>, Problem> {
    let known = || past.known.iter().flat_map(PositionToken::iter);
    let lanes: Vec<i16> = known().map(|(lane, _)| database::lane_column(lane)).collect();
    let positions: Vec<i64> = known().map(|(_, position)| position.0).collect();
    let pairs_max = (limit + 1) * PAIRS_PER_ROW;
    let mut query = PageQuery::new(
        "with looked_at as materialized (select sku, location, lane from stock_levels where true",
    );
    filter.push_names(&mut query, after);
    query.order_by(StockLevel::ORDER, pairs_max);
    query.push(
        "), page as (\
             select true as present, pair.sku, pair.location, pair.lane, figure.on_hand::text, \
                 figure.reserved::text, figure.allocated::text, figure.available::text, \
                 figure.version, figure.position, figure.updated_at \
             from looked_at pair \
             join checkpoints c on c.projection = 'stock' and c.lane = pair.lane and c.version = ",
    );
    query.bind(service.projection.version()).push(" left join unnest(").bind(lanes);
    query.push(", ").bind(positions).push(
        ") as known (lane, position) on known.lane = pair.lane \
         cross join lateral figure_then(\
             pair.sku, pair.location, coalesce(known.position, c.position), ",
    );
    match past.as_of {
        Some(time) => query.bind(time.to_utc()),
        None => query.push("null"),
    };
    query.push(") as figure");
    query.order_by("pair.sku, pair.location", limit + 1);
    let last_looked_at = format!(
        ", (select array[last.sku, last.location] \
            from (select *, row_number() over () as place from looked_at) as last \
            where last.place = {pairs_max}) as last_looked_at"
    );
    let rows = query.fetch_rows::<StockLevel>(service, &last_looked_at).await?;
    let length = usize::try_from(limit).unwrap_or_default();
    let mut page = Page::of_rows(&rows, length, rows.len() > length)?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let last: Option<Vec<String>> = first.try_get("last_looked_at")?;
    if let (None, Some([sku, location])) = (&page.value.next_cursor, last.as_deref()) {
        let key = PairKey { sku: parsed(sku)?, location: parsed(location)? };
        page.value.next_cursor = Some(page::encode::<StockLevel>(key));
    }
    Ok(page)
}
