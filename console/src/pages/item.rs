//! `/items/{sku}`: an item now and at any moment or position, and why it differs.

pub(crate) mod flow;
mod past;
mod steps;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use futures::future::try_join_all;
use serde::Deserialize;

use self::past::{Place, Then};
use self::steps::Steps;
use super::{link, segment};
use crate::answers::{Explanation, Item, ItemStock, LaneProgress, Movement, Page, WaitingLine};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services, permitted};
use crate::shown::{Moment, Units};
use crate::texts::Texts;

/// Movements that the page lists.
const LISTED: &str = "25";

/// Locations whose promises are shown.
const EXPLAINED_MAX: usize = 20;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// A moment or a position.
    at: String,
    location: String,
    r#type: String,
    reason: String,
    cursor: String,
    /// A position that the page waits for: that of the command that led here.
    seen: String,
}

impl Asked {
    fn link(&self, sku: &str, cursor: &str) -> String {
        let parameters = [
            ("at", self.at.as_str()),
            ("location", &self.location),
            ("type", &self.r#type),
            ("reason", &self.reason),
            ("cursor", cursor),
        ];
        link(&format!("/items/{sku}"), &parameters)
    }
}

/// Units that somebody holds, was promised, or sends here.
#[derive(Debug)]
struct Promise {
    what: &'static str,
    path: String,
    id: String,
    location: String,
    quantity: Units,
    until: Option<Moment>,
}

#[derive(Template)]
#[template(path = "item.html")]
struct ItemPage {
    t: &'static Texts,
    frame: Frame,
    asked: Asked,
    item: Item,
    now: ItemStock,
    then: Option<Then>,
    steps: Option<Steps>,
    movements: Vec<Movement>,
    first: Option<String>,
    next: Option<String>,
    waiting: Vec<WaitingLine>,
    promises: Vec<Promise>,
    /// The lane of the item, if its view of stock waits at an event.
    stopped: Option<LaneProgress>,
}

impl ItemPage {
    /// Whether the page is about a moment that can be shown.
    fn is_of_then(&self) -> bool {
        self.then.as_ref().is_some_and(|then| then.refused.is_none())
    }
}

/// The lane of an item, if a view that shows it waits there. `position` is that of an answer about the item.
fn stopped_lane(
    progress: Result<Page<LaneProgress>, Failure>,
    projection: &str,
    position: &str,
) -> Result<Option<LaneProgress>, Failure> {
    let lane = position.split_once(':').and_then(|(lane, _)| lane.parse().ok());
    let mut lanes = permitted(progress.map(Some))?.into_iter().flat_map(|page| page.items);
    Ok(lanes.find(|progress| {
        let is_answering = progress.projection == projection && progress.active;
        is_answering && progress.is_stopped() && lane == Some(progress.lane)
    }))
}

pub(crate) async fn show(
    services: Services,
    Path(sku): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let name = segment(&sku)?;
    let (item_path, stock_path) = (format!("/v1/items/{name}"), format!("/v1/stock/{name}"));
    let place = Place::find(&services, &asked.at).await?;
    let [by, to] = place.until();
    let filters = [
        (by.0, by.1.as_str()),
        (to.0, &to.1),
        ("sku", sku.as_str()),
        ("location", &asked.location),
        ("type", &asked.r#type),
        ("reason", &asked.reason),
        ("cursor", &asked.cursor),
        ("limit", LISTED),
        ("min_position", &asked.seen),
    ];
    let seen = [("min_position", asked.seen.as_str())];
    let of_item = [("sku", sku.as_str())];
    let (item, now, movements, waiting, newest, progress) = tokio::join!(
        services.get::<Item>(Service::Query, &item_path, &seen),
        services.get::<ItemStock>(Service::Query, &stock_path, &seen),
        services.get::<Page<Movement>>(Service::Query, "/v1/movements", &filters),
        services.get::<Page<WaitingLine>>(Service::Query, "/v1/waitlist", &of_item),
        steps::newest(&services, &sku, &asked.location),
        services.get::<Page<LaneProgress>>(Service::Query, "/v1/projections", &[]),
    );
    // In this order: an item that is not known is the answer, however fast a list refuses its name.
    let (item, now, movements, waiting, newest) = (item?, now?, movements?, waiting?, newest?);
    let stopped = stopped_lane(progress, "stock", &now.position)?;
    let then_and_steps = async {
        let then = past::read(&services, &sku, &place, &now).await?;
        let steps = steps::read(&services, &sku, &asked.location, newest, then.as_ref()).await?;
        Ok((then, steps))
    };
    let ((then, steps), promises) =
        tokio::try_join!(then_and_steps, promises(&services, &name, &now))?;
    frame::page(&ItemPage {
        t: reader::texts(),
        frame: if then.is_some() {
            Frame::still(Section::Items)
        } else {
            Frame::live(Section::Items, &movements.position).about(&sku)
        },
        first: (!asked.cursor.is_empty()).then(|| asked.link(&sku, "")),
        next: movements.next_cursor.map(|cursor| asked.link(&sku, &cursor)),
        movements: movements.items,
        waiting: waiting.items,
        asked,
        item,
        now,
        then,
        steps,
        promises,
        stopped,
    })
}

/// Who has a claim on the item, and what is on its way.
async fn promises(
    services: &Services,
    sku: &str,
    now: &ItemStock,
) -> Result<Vec<Promise>, Failure> {
    let of_location = now.locations.iter().take(EXPLAINED_MAX).map(|level| async move {
        let amounts = level.amounts;
        let claimed = [amounts.reserved, amounts.allocated, amounts.incoming];
        if claimed.iter().all(|units| units.0 == 0) {
            return Ok(Vec::new());
        }
        let path = format!("/v1/explain/{sku}/{}", segment(&level.location)?);
        let explained: Explanation = services.get(Service::Query, &path, &[("limit", "1")]).await?;
        Ok(explained.summary.map(|summary| listed(summary, &level.location)).unwrap_or_default())
    });
    Ok(try_join_all(of_location).await?.into_iter().flatten().collect())
}

fn listed(summary: crate::answers::Summary, location: &str) -> Vec<Promise> {
    let promise = |what| {
        move |promise: crate::answers::Promise| Promise {
            what,
            path: format!("/reservations/{}", promise.reservation),
            id: promise.reservation,
            location: location.to_owned(),
            quantity: promise.quantity,
            until: promise.expires_at,
        }
    };
    let arrival = |arrival: crate::answers::Arrival| Promise {
        what: reader::texts().incoming,
        path: format!("/transfers/{}", arrival.transfer),
        id: arrival.transfer,
        location: location.to_owned(),
        quantity: arrival.quantity,
        until: None,
    };
    let reserved = summary.reserved_by.items.into_iter().map(promise(reader::texts().reserved));
    let allocated = summary.allocated_by.items.into_iter().map(promise(reader::texts().allocated));
    reserved.chain(allocated).chain(summary.incoming_by.items.into_iter().map(arrival)).collect()
}
