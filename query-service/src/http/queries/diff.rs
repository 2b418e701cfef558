//! What changed between two positions, and why.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::values::{LocationCode, Sku};
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::answer::{Figure, Tag};
use crate::http::moment::Past;
use crate::http::page::{self, Cursor, PageParameters};
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::queries::explain::{Step, steps};
use crate::http::queries::movements::Amounts;
use crate::http::queries::stock::LocationStock;
use crate::http::queries::stock::item::read_then;
use crate::http::request::Request;
use crate::http::wait::{FreshnessParameters, Reflecting, take_position};

/// What changed of one sku between two positions of its lane.
#[derive(Debug, Serialize, ToSchema)]
pub struct Difference {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// After this position.
    #[schema(value_type = String, example = "3:1000")]
    pub from_position: PositionToken,
    /// Up to this one.
    #[schema(value_type = String, example = "3:1042")]
    pub to_position: PositionToken,
    #[serde(flatten)]
    pub totals: Change,
    /// Every location where something happened between.
    pub locations: Vec<LocationChange>,
    /// The movements between, newest first.
    pub movements: Vec<Step>,
    /// Asks for the movements before these; null when there are none.
    pub next_cursor: Option<String>,
    /// The position that the answer reflects.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
}

/// Figures before and after, and what lies between.
#[derive(Debug, Serialize, ToSchema)]
pub struct Change {
    /// The figures at the first position.
    pub from: Figure,
    /// The figures at the second.
    pub to: Figure,
    /// The second minus the first.
    pub difference: Amounts,
}

/// What changed at one location.
#[derive(Debug, Serialize, ToSchema)]
pub struct LocationChange {
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    #[serde(flatten)]
    pub change: Change,
}

/// What changed of a sku between two positions of its lane, and why.
#[utoipa::path(
    get,
    path = "/v1/diff",
    params(
        ("sku" = String, Query, description = "the item"),
        ("from_position" = String, Query, description = "after this position, which names the sku's lane"),
        ("to_position" = String, Query, description = "up to this position, which names the sku's lane"),
        PageParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = Difference), (status = 304),
        (status = 404, description = "unknown_sku"),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn diff(
    State(service): State<Service>,
    mut request: Request,
) -> Result<Response, Problem> {
    let asked = Asked::take(&mut request.parameters, &service)?;
    let terms = request.finish()?;
    let Asked { sku, lane, from, to, before, limit } = asked;
    // 1. The figures at both positions. The later one is read first: it is waited for.
    let at = |position| [(lane, position)].into_iter().collect::<PositionToken>();
    let read = async |position| {
        let past = Past::at(at(position));
        let Reflecting { found, .. } = read_then(&service, &terms.wanted, &sku, &past).await?;
        found.map(|(stock, _)| (stock.totals, stock.locations))
    };
    let after = read(to).await?;
    let earlier = match read(from).await {
        Err(Problem::UnknownSku(_)) => (Figure::none(lane), Vec::new()),
        earlier => earlier?,
    };
    // 2. One page of what lies between, which never changes.
    let rows = sqlx::query(include_str!("../../../queries/list_movements_of_sku.sql"))
        .bind(sku.as_str())
        .bind(from.0)
        .bind(before.0)
        .bind(limit + 1)
        .fetch_all(&service.pool)
        .await?;
    let (movements, next_cursor) = steps(&rows, limit)?;
    // 3. What that comes to.
    let tag = Tag::of_versions(&[earlier.0.version, after.0.version]);
    let position = at(to);
    let difference = Difference {
        sku,
        from_position: at(from),
        to_position: position.clone(),
        totals: Change::between(earlier.0, after.0),
        locations: changed(lane, earlier.1, after.1),
        movements,
        next_cursor,
        position: position.clone(),
    };
    Ok(terms.answer(&position, &tag, &difference))
}

/// What is asked for.
struct Asked {
    sku: Sku,
    lane: Lane,
    from: Position,
    to: Position,
    /// The last position of this page.
    before: Position,
    limit: i64,
}

impl Asked {
    fn take(parameters: &mut Parameters, service: &Service) -> Result<Self, Problem> {
        let sku: Sku = parameters.take("sku")?.ok_or_else(|| missing("sku"))?;
        let lane = service.lane_map()?.lane_of_item(&sku);
        let from = take_place(parameters, "from_position", service, lane)?;
        let to = take_place(parameters, "to_position", service, lane)?;
        if from > to {
            let detail = "from_position must not lie after to_position".to_owned();
            return Err(Problem::InvalidPosition(detail));
        }
        let after = Cursor::take(parameters, page::last_position)?;
        let before = after.map_or(to, |after| Position(after.0 - 1).min(to));
        Ok(Self { sku, lane, from, to, before, limit: page::take_limit(parameters)? })
    }
}

fn take_place(
    parameters: &mut Parameters,
    name: &'static str,
    service: &Service,
    lane: Lane,
) -> Result<Position, Problem> {
    let token = take_position(parameters, name, service)?.ok_or_else(|| missing(name))?;
    token.get(lane).ok_or_else(|| {
        Problem::InvalidPosition(format!("{name} must name lane {lane}, where the sku stands"))
    })
}

fn missing(name: &str) -> Problem {
    invalid(name, "given")
}

impl Change {
    fn between(from: Figure, to: Figure) -> Self {
        let difference = Amounts {
            on_hand: to.on_hand - from.on_hand,
            reserved: to.reserved - from.reserved,
            allocated: to.allocated - from.allocated,
            available: to.available - from.available,
        };
        Self { from, to, difference }
    }
}

/// The locations whose history went on between.
fn changed(lane: Lane, from: Vec<LocationStock>, to: Vec<LocationStock>) -> Vec<LocationChange> {
    let by_location = |all: Vec<LocationStock>| -> BTreeMap<LocationCode, Figure> {
        all.into_iter().map(|one| (one.location, one.figure)).collect()
    };
    let (mut from, mut to) = (by_location(from), by_location(to));
    let all: BTreeSet<LocationCode> = from.keys().chain(to.keys()).cloned().collect();
    let change = |location: LocationCode| {
        let figure = |of: &mut BTreeMap<LocationCode, Figure>| {
            of.remove(&location).unwrap_or_else(|| Figure::none(lane))
        };
        let change = Change::between(figure(&mut from), figure(&mut to));
        (change.from.version != change.to.version).then_some(LocationChange { location, change })
    };
    all.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stock(location: &str, on_hand: i64, version: i64) -> LocationStock {
        let figure = Figure { on_hand, available: on_hand, version, ..Figure::none(Lane(0)) };
        LocationStock { location: location.parse().expect("a location"), figure }
    }

    #[test]
    fn locations_that_appear_or_change_are_told_and_others_not() {
        let from = vec![stock("A", 5, 1), stock("B", 7, 2)];
        let to = vec![stock("A", 5, 1), stock("B", 4, 3), stock("C", 1, 1)];
        let told: Vec<(String, i64)> = changed(Lane(0), from, to)
            .into_iter()
            .map(|one| (one.location.to_string(), one.change.difference.on_hand))
            .collect();
        assert_eq!(told, [("B".to_owned(), -3), ("C".to_owned(), 1)]);
    }
}
