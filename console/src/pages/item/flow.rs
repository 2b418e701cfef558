//! `/items/{sku}/flow`: what came in and went out, day by day.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use chrono::{Days, NaiveDate, Utc};
use serde::Deserialize;

use super::stopped_lane;
use crate::answers::{LaneProgress, Movement, Page};
use crate::frame::{self, Frame, Section};
use crate::pages::segment;
use crate::reader;
use crate::services::{Failure, Problem, Service, Services};
use crate::shown::Units;
use crate::texts::Texts;

/// Days that are shown unless others are asked for.
const DAYS: Days = Days::new(31);

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
struct Flow {
    opening: Units,
    closing: Units,
    days: Vec<Day>,
    position: String,
}

#[derive(Debug, Deserialize)]
struct Day {
    day: NaiveDate,
    #[serde(rename = "in")]
    received: Units,
    #[serde(rename = "out")]
    issued: Units,
    returned: Units,
    adjusted: Units,
    transferred: Units,
    closing: Units,
}

impl Day {
    fn has_something(&self) -> bool {
        [self.received, self.issued, self.returned, self.adjusted, self.transferred]
            .iter()
            .any(|units| units.0 != 0)
    }
}

#[derive(Template)]
#[template(path = "flow.html")]
struct FlowPage {
    t: &'static Texts,
    frame: Frame,
    sku: String,
    asked: Asked,
    flow: Option<Flow>,
    /// The lane of the item, if the view of its days waits at an event.
    stopped: Option<LaneProgress>,
    problem: Option<Problem>,
}

pub(crate) async fn show(
    services: Services,
    Path(sku): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let last = last_day(&services, &sku, &asked).await?;
    let asked = with_defaults(asked, last);
    let path = format!("/v1/flow/{}", segment(&sku)?);
    let parameters = [("from", asked.from.as_str()), ("to", &asked.to)];
    let (flow, progress) = tokio::join!(
        services.get::<Flow>(Service::Query, &path, &parameters),
        services.get::<Page<LaneProgress>>(Service::Query, "/v1/projections", &[]),
    );
    let (flow, problem) = match flow {
        Ok(flow) => (Some(flow), None),
        Err(Failure::Refused { problem, .. }) if problem.status == 422 => (None, Some(*problem)),
        Err(failure) => return Err(failure),
    };
    let frame = match &flow {
        Some(flow) => Frame::live(Section::Items, &flow.position).about(&sku),
        None => Frame::still(Section::Items),
    };
    let position = flow.as_ref().map_or("", |flow| &flow.position);
    let stopped = stopped_lane(progress, "daily_flow", position)?;
    frame::page(&FlowPage { t: reader::texts(), frame, sku, asked, flow, stopped, problem })
}

/// The day of the newest movement, where no other end is asked for; today, where nothing happened.
async fn last_day(services: &Services, sku: &str, asked: &Asked) -> Result<NaiveDate, Failure> {
    let today = Utc::now().date_naive();
    if !asked.to.is_empty() {
        return Ok(today);
    }
    let newest = [("sku", sku), ("limit", "1")];
    let page = services.get::<Page<Movement>>(Service::Query, "/v1/movements", &newest).await?;
    Ok(page.items.first().map_or(today, |newest| newest.occurred_at.0.date_naive()))
}

/// The last days up to this one where none are asked for.
fn with_defaults(asked: Asked, today: NaiveDate) -> Asked {
    let given = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let tomorrow = today.succ_opt().unwrap_or(today);
    let to = given(asked.to).unwrap_or_else(|| tomorrow.to_string());
    let end = to.parse().unwrap_or(tomorrow);
    let first = end.checked_sub_days(DAYS).unwrap_or(end);
    Asked { from: given(asked.from).unwrap_or_else(|| first.to_string()), to }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_days_the_last_ones_are_shown() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 30).expect("a day");
        let asked = with_defaults(Asked::default(), today);
        assert_eq!((asked.from.as_str(), asked.to.as_str()), ("2026-10-31", "2026-12-01"));
        let until = Asked { to: "2010-12-02".to_owned(), ..Asked::default() };
        assert_eq!(with_defaults(until, today).from, "2010-11-01");
    }
}
