//! Lists of figures.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::credential::Locations;
use shared_events::lane::PositionToken;
use shared_events::values::LocationCode;
use utoipa::{IntoParams, ToSchema};

use super::StockLevel;
use crate::http::Service;
use crate::http::page::{self, ListRow, Page, PageParameters, PageQuery, PageResponses, PairKey};
use crate::http::parameters::{Integer, On};
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

/// How many movements may be added up for a page of what had happened by a time, and those of one pair
/// more.
const MOVEMENTS_MAX: i64 = 200_000;

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
    /// Only pairs with exactly this available quantity. 0 is sold out to the last unit; for all that
    /// has nothing to sell, ask for `available_below=1`.
    #[param(value_type = Option<i64>)]
    available: Option<Integer>,
    /// Only pairs with less than this available quantity. 1 is nothing to sell: 0 and also less than
    /// 0, where more is promised than is there.
    #[param(value_type = Option<i64>)]
    available_below: Option<Integer>,
    /// Only pairs whose available quantity is not above the item's reorder point, if it has one. A
    /// retired item has none.
    #[param(value_type = Option<bool>)]
    low: Option<On>,
}

/// Pairs with a history, by sku and location; with `known_at` or `as_of` the pairs that had one then.
///
/// Filters on figures go by the figures and the reorder points of then. The work for a page of the past
/// is bounded: at most 20 pairs are looked at for each row that it may have, and `as_of` adds up at most
/// 200,000 movements and those of one pair. So a page may be short or empty although another follows, as
/// `next_cursor` says.
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
    filter.location.iter().try_for_each(|location| options.require(location))?;
    let after = page.after::<StockLevel>()?;
    let locations = options.locations();
    let (after, limit) = (after.as_ref(), page.limit());
    let past = past.resolve(&service).await?;
    let AsOf { position, value } = if past.is_present() {
        let read = || read_current(&service, &filter, locations, after, limit);
        read_when_applied(&service, &options.min_position, read).await?
    } else {
        let required = past.known.iter().fold(options.min_position.clone(), MinPosition::and);
        let read = || read_past(&service, &filter, locations, &past, after, limit);
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
    fn push_names(&self, query: &mut PageQuery, after: Option<&PairKey>) {
        query.filter(" and location = ", self.location.as_ref().map(LocationCode::as_str));
        if let Some(prefix) = &self.sku_prefix {
            query.push(" and sku >= ").bind(prefix.as_str());
            query.push(" and sku < ").bind(format!("{}\x7f", prefix.as_str()));
        }
        query.after_pair(after);
    }

    /// Finds current figures by the index of their bands.
    fn push_bands(&self, query: &mut PageQuery) {
        if let Some(Integer(available)) = self.available {
            query.push(" and band = band(").bind(available).push(")");
        }
        if let Some(Integer(below)) = self.available_below {
            query.push(" and band <= band(").bind(below.max(0) - 1).push(")");
        }
    }

    fn push_figures(&self, query: &mut PageQuery) {
        query.filter(" and available = ", self.available.map(|number| number.0));
        query.filter(" and available < ", self.available_below.map(|number| number.0));
    }
}

async fn read_current(
    service: &Service,
    filter: &StockFilter,
    locations: &Locations,
    after: Option<&PairKey>,
    limit: i64,
) -> Result<AsOf<Page<StockLevel>>, Problem> {
    let mut query = PageQuery::new(
        "with page as not materialized (\
             select lane, position, sku, location, on_hand, reserved, allocated, \
                 available, incoming, waiting, version, updated_at \
             from stock_levels where true",
    );
    filter.push_names(&mut query, after);
    query.at("location", locations);
    filter.push_bands(&mut query);
    filter.push_figures(&mut query);
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

/// Looks up in the past each of the current pairs. The page ends when it is full, or when the bounds of
/// what may be looked at are reached: pairs that do not belong to the answer must not make it slow.
async fn read_past(
    service: &Service,
    filter: &StockFilter,
    locations: &Locations,
    past: &Past,
    after: Option<&PairKey>,
    limit: i64,
) -> Result<AsOf<Page<StockLevel>>, Problem> {
    let pairs_max = (limit + 1) * PAIRS_PER_ROW;
    let mut query = PageQuery::new(
        "with pairs as materialized (\
             select next.*, row_number() over walk as place, \
                 sum(next.version) over walk - next.version as movements_before \
             from (select sku, location, lane, version from stock_levels where true",
    );
    filter.push_names(&mut query, after);
    query.at("location", locations);
    query.order_by(StockLevel::ORDER, pairs_max);
    query.push(
        ") as next window walk as (order by sku, location rows unbounded preceding)\
         ), looked_at as materialized (select * from pairs where ",
    );
    // Where only positions count, one look-up finds the figures of a pair, however long its history is.
    match past.as_of {
        Some(_) => query.push(format_args!("movements_before < {MOVEMENTS_MAX}")),
        None => query.push("true"),
    };
    query.push("), page as not materialized (");
    push_then(&mut query, service, filter, past);
    query.order_by("pair.sku, pair.location", limit + 1);
    let last_looked_at = format!(
        "(select array[last.sku, last.location] from looked_at as last \
            where (select count(*) from looked_at) < (select count(*) from pairs) \
                or (select count(*) from pairs) = {pairs_max} \
            order by last.place desc limit 1)"
    );
    let found = query.fetch_rows(service, &last_looked_at).await?;
    let length = usize::try_from(limit).unwrap_or_default();
    let mut page = Page::of_rows(&found, length, found.rows.len() > length)?;
    let last: Option<Vec<String>> = found.about()?;
    if let (None, Some([sku, location])) = (&page.value.next_cursor, last.as_deref()) {
        let key = PairKey { sku: parsed(sku)?, location: parsed(location)? };
        page.value.next_cursor = Some(page::encode::<StockLevel>(key));
    }
    Ok(page)
}

/// Selects from the pairs `looked_at` those that belong to the answer, with their figures of then.
fn push_then(query: &mut PageQuery, service: &Service, filter: &StockFilter, past: &Past) {
    let known = || past.known.iter().flat_map(PositionToken::iter);
    let lanes: Vec<i16> = known().map(|(lane, _)| i16::from(lane)).collect();
    let positions: Vec<i64> = known().map(|(_, position)| position.0).collect();
    query.push(
        "select pair.sku, pair.location, pair.lane, figure.on_hand::text, \
             figure.reserved::text, figure.allocated::text, figure.available::text, \
             figure.incoming::text, figure.waiting::text, figure.version, figure.position, figure.updated_at \
         from looked_at pair \
         join checkpoints c on c.projection = 'stock' and c.lane = pair.lane and c.version = ",
    );
    query.bind(service.projection.version()).push(" left join unnest(").bind(lanes);
    query.push(", ").bind(positions);
    query.push(
        ") as known (lane, position) on known.lane = pair.lane \
         cross join lateral (select coalesce(known.position, c.position) as upto, ",
    );
    match past.as_of {
        Some(time) => query.bind(time.to_utc()),
        None => query.push("null::timestamptz"),
    };
    query.push(
        " as moment) as past \
         cross join lateral figure_then(pair.sku, pair.location, past.upto, past.moment) as figure",
    );
    if filter.low == Some(On::True) {
        query.push(
            " join lateral reorder_point_then(pair.sku, past.upto, past.moment) as low \
              on is_low(figure.available, low.reorder_point)",
        );
    }
    query.push(" where true");
    filter.push_figures(query);
}
