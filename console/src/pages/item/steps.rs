//! The events of an item that the slider steps through, and the balance after each of them.

use super::past::{Then, page_at};
use crate::answers::{ItemStock, Movement, Page};
use crate::chart::{self, Chart, Point};
use crate::pages::segment;
use crate::services::{Failure, Service, Services};
use crate::shown::Moment;

/// Events in one window.
const WINDOW: &str = "200";

/// A window of events, oldest first.
#[derive(Debug)]
pub(super) struct Steps {
    /// The position after each, separated by spaces.
    pub(super) positions: String,
    /// The index of the last one.
    pub(super) last: usize,
    /// The one that the page shows.
    pub(super) chosen: usize,
    pub(super) chart: Option<Chart>,
    pub(super) from: Moment,
    pub(super) to: Moment,
    /// The pages of the item after the event before, and after the one that follows.
    pub(super) earlier: Option<String>,
    pub(super) later: Option<String>,
}

pub(super) async fn read(
    services: &Services,
    sku: &str,
    location: &str,
    newest: Vec<Movement>,
    then: Option<&Then>,
) -> Result<Option<Steps>, Failure> {
    let mut window = newest;
    let moment = then.and_then(|then| then.moment);
    let is_older = |moment: Moment| window.last().is_some_and(|oldest| moment < oldest.recorded_at);
    if let Some(moment) = moment.filter(|moment| is_older(*moment)) {
        let older = window_before(services, sku, location, &moment.just_after()).await?;
        if !older.is_empty() {
            window = older;
        }
    }
    window.reverse();
    let (Some(oldest), Some(newest)) = (window.first(), window.last()) else { return Ok(None) };
    let points = points(services, sku, location, &window, &newest.position).await?;
    let position = then.map(|then| then.position.as_str()).unwrap_or_default();
    let chosen = chosen(&window, position, moment);
    let at = |index: usize| window.get(index).map(|step| page_at(sku, location, &step.position));
    Ok(Some(Steps {
        positions: window.iter().map(|step| step.position.as_str()).collect::<Vec<_>>().join(" "),
        last: window.len() - 1,
        chosen,
        chart: chart::balance(&points, then.map(|_| chosen)),
        from: oldest.recorded_at,
        to: newest.recorded_at,
        earlier: chosen.checked_sub(1).and_then(at),
        later: at(chosen + 1).filter(|_| then.is_some()),
    }))
}

/// The newest events, newest first.
pub(super) async fn newest(
    services: &Services,
    sku: &str,
    location: &str,
) -> Result<Vec<Movement>, Failure> {
    window_before(services, sku, location, "").await
}

/// The newest events before a moment, newest first; before no moment, the newest of all.
async fn window_before(
    services: &Services,
    sku: &str,
    location: &str,
    to: &str,
) -> Result<Vec<Movement>, Failure> {
    let parameters = [("sku", sku), ("location", location), ("to", to), ("limit", WINDOW)];
    let page: Page<Movement> = services.get(Service::Query, "/v1/movements", &parameters).await?;
    Ok(page.items)
}

/// The last event up to the place that the page shows.
fn chosen(window: &[Movement], position: &str, moment: Option<Moment>) -> usize {
    let exact = window.iter().position(|step| step.position == position);
    let last = window.len() - 1;
    let by_time = |moment: Moment| {
        window.partition_point(|step| step.recorded_at <= moment).saturating_sub(1)
    };
    exact.or(moment.map(by_time)).unwrap_or(last)
}

/// The balance after each event: of the location, or of all together.
async fn points(
    services: &Services,
    sku: &str,
    location: &str,
    window: &[Movement],
    newest: &str,
) -> Result<Vec<Point>, Failure> {
    if !location.is_empty() {
        let of = |step: &Movement| Point {
            at: step.recorded_at,
            on_hand: step.after.on_hand.0,
            available: step.after.available.0,
        };
        return Ok(window.iter().map(of).collect());
    }
    let path = format!("/v1/stock/{}", segment(sku)?);
    let end: ItemStock = services.get(Service::Query, &path, &[("at_position", newest)]).await?;
    let amounts = end.total.amounts;
    let (mut on_hand, mut available) = (amounts.on_hand.0, amounts.available.0);
    let mut points = Vec::with_capacity(window.len());
    for step in window.iter().rev() {
        points.push(Point { at: step.recorded_at, on_hand, available });
        on_hand -= step.delta.on_hand.0;
        available -= step.delta.available.0;
    }
    points.reverse();
    Ok(points)
}
