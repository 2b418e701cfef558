//! What changed between two positions, and why.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::credential::Locations;
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::values::{LocationCode, Sku};
use utoipa::{IntoParams, ToSchema};

use crate::http::Service;
use crate::http::answer::{Figure, Tag};
use crate::http::page::{PageParameters, PageResponses};
use crate::http::past::Past;
use crate::http::problem::{Code, Problem};
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::wait::parse_position;
use crate::projections::stock::routes::explain::Step;
use crate::projections::stock::routes::levels::LocationStock;
use crate::projections::stock::routes::levels::item::read_past;
use crate::projections::stock::routes::movements::{Amounts, of_item};

/// What changed of one sku between two positions of its lane.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StockDifference)]
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
    /// Every location where something happened in between.
    pub locations: Vec<LocationChange>,
    /// The movements in between, newest first.
    pub movements: Vec<Step>,
    /// Asks for the movements before these; null when there are none.
    pub next_cursor: Option<String>,
    /// The position that the answer reflects.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
}

/// Figures before and after, and their difference.
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
    /// The location.
    #[schema(value_type = String)]
    pub location: LocationCode,
    #[serde(flatten)]
    pub change: Change,
}

/// The item and the positions of a diff.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DiffParameters {
    /// The item.
    #[param(value_type = String)]
    sku: Sku,
    /// After this position, which names the sku's lane.
    from_position: String,
    /// Up to this position, which names the sku's lane.
    to_position: String,
}

/// What changed of a sku between two positions of its lane, and why.
#[utoipa::path(
    get, path = "/v1/diff",
    params(DiffParameters, PageParameters, ReadParameters),
    responses(
        (status = 200, body = Difference),
        (status = 404, description = "unknown_sku"),
        PageResponses,
    )
)]
pub async fn diff(
    State(service): State<Service>,
    ReadRequest { parameters: (diff, page), options }: ReadRequest<(
        DiffParameters,
        PageParameters,
    )>,
) -> Result<Response, Problem> {
    let DiffParameters { sku, from_position, to_position } = diff;
    let lane = service.lane_map()?.lane_of_item(&sku);
    let from = position_in(lane, &from_position, "from_position", &service)?;
    let to = position_in(lane, &to_position, "to_position", &service)?;
    if from > to {
        let detail = "from_position must not be after to_position".to_owned();
        return Err(Problem::invalid_position(detail));
    }
    let last = match page.after::<Step>()? {
        Some(after) => Position(after.position.0 - 1).min(to),
        None => to,
    };
    // 1. The figures at both positions. The later one is read first, because it may have to be waited for.
    let at = |position| [(lane, position)].into_iter().collect::<PositionToken>();
    let read = async |position| {
        let past = Past::at(at(position));
        let (stock, _) = read_past(&service, &options.min_position, &sku, &past).await?.value?;
        let stock = match options.locations() {
            Locations::All => stock,
            locations => stock.only_at(locations, lane).0,
        };
        Ok::<_, Problem>((stock.totals, stock.locations))
    };
    let after = read(to).await?;
    let before = match read(from).await {
        Err(problem) if problem.code() == Code::UnknownSku => (Figure::none(lane), Vec::new()),
        before => before?,
    };
    // 2. One page of the movements in between, which never change.
    let steps = of_item(&sku, None, options.locations(), page.limit(), |query| {
        query.push(" and position > ").bind(from.0).push(" and position <= ").bind(last.0);
    });
    let steps = steps.fetch::<Step>(&service, page.limit()).await?.value;
    // 3. The difference.
    let tag = Tag::of_versions(&[before.0.version, after.0.version]);
    let position = at(to);
    let difference = Difference {
        sku,
        from_position: at(from),
        to_position: position.clone(),
        totals: Change::between(before.0, after.0),
        locations: changed(lane, before.1, after.1),
        movements: steps.items,
        next_cursor: steps.next_cursor,
        position: position.clone(),
    };
    Ok(options.answer(&position, &tag, &difference))
}

fn position_in(lane: Lane, text: &str, name: &str, service: &Service) -> Result<Position, Problem> {
    parse_position(text, name, service)?.get(lane).ok_or_else(|| {
        Problem::invalid_position(format!("{name} must name lane {lane}, the lane of the item"))
    })
}

impl Change {
    fn between(from: Figure, to: Figure) -> Self {
        let difference = Amounts {
            on_hand: to.on_hand - from.on_hand,
            reserved: to.reserved - from.reserved,
            allocated: to.allocated - from.allocated,
            available: to.available - from.available,
            incoming: to.incoming - from.incoming,
            waiting: to.waiting - from.waiting,
        };
        Self { from, to, difference }
    }
}

/// The locations whose history continued in between.
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

    fn stock(location: &str, on_hand: i128, version: i64) -> LocationStock {
        let figure = Figure { on_hand, available: on_hand, version, ..Figure::none(Lane(0)) };
        LocationStock { location: location.parse().expect("a location"), figure }
    }

    #[test]
    fn only_locations_that_appear_or_change_are_returned() {
        let from = vec![stock("A", 5, 1), stock("B", 7, 2)];
        let to = vec![stock("A", 5, 1), stock("B", 4, 3), stock("C", 1, 1)];
        let returned: Vec<(String, i128)> = changed(Lane(0), from, to)
            .into_iter()
            .map(|one| (one.location.to_string(), one.change.difference.on_hand))
            .collect();
        assert_eq!(returned, [("B".to_owned(), -3), ("C".to_owned(), 1)]);
    }
}
