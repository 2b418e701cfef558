//! `/pipeline`: the way of events from the log to the views, lane by lane; `/pipeline/{lane}`: a lane's events.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use serde::Deserialize;

use super::link;
use crate::answers::{Event, LaneHead, LaneProgress, List, Page, RelayedLane};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Failure, Service, Services};
use crate::shown::{Lasting, Moment, Units};
use crate::texts::Texts;

/// Events of a lane on one page.
const EVENTS: i64 = 50;

/// A version of a view, over all lanes.
#[derive(Debug)]
struct View {
    name: String,
    answers: bool,
    /// Events that the lane furthest behind lacks; unknown while no head is known.
    lag: Option<Units>,
    stopped: usize,
    applied_at: Option<Moment>,
}

impl View {
    fn of(name: String, lanes: &[&LaneProgress]) -> Self {
        Self {
            name,
            answers: lanes.iter().any(|lane| lane.active),
            lag: lanes.iter().filter_map(|lane| lane.lag).max().map(Units),
            stopped: lanes.iter().filter(|lane| lane.is_stopped()).count(),
            applied_at: lanes.iter().map(|lane| lane.applied_at).max(),
        }
    }

    fn class(&self) -> &'static str {
        match (self.stopped, self.lag) {
            (1.., _) => "stopped",
            (0, Some(Units(1..))) => "late",
            (0, _) if self.answers => "",
            (0, _) => "idle",
        }
    }
}

/// The relay, over all lanes.
#[derive(Debug)]
struct Relay {
    lag: Units,
    lag_ms: Lasting,
    stopped: usize,
    /// Lanes that no instance publishes.
    unowned: usize,
}

impl Relay {
    fn of(lanes: &[RelayedLane]) -> Self {
        Self {
            lag: Units(lanes.iter().map(|lane| lane.lag).max().unwrap_or_default()),
            lag_ms: lanes.iter().map(|lane| lane.lag_ms).max().unwrap_or_default(),
            stopped: lanes.iter().filter(|lane| lane.is_stopped()).count(),
            unowned: lanes.iter().filter(|lane| lane.state.is("unowned")).count(),
        }
    }

    fn class(&self) -> &'static str {
        if self.stopped > 0 {
            "stopped"
        } else if self.lag.0 > 0 || self.unowned > 0 {
            "late"
        } else {
            ""
        }
    }
}

/// A lane on its way through all of them.
#[derive(Debug)]
struct Lane {
    number: u16,
    head: i64,
    recorded_at: Option<Moment>,
    relayed: Option<RelayedLane>,
    /// In the order of the views.
    views: Vec<Option<LaneProgress>>,
}

#[derive(Template)]
#[template(path = "pipeline.html")]
struct PipelinePage {
    t: &'static Texts,
    frame: Frame,
    events: Units,
    newest: Option<Moment>,
    relay: Relay,
    views: Vec<View>,
    lanes: Vec<Lane>,
}

pub(crate) async fn show(services: Services) -> Result<Response, Failure> {
    let (heads, relayed, progress) = tokio::try_join!(
        services.get::<List<LaneHead>>(Service::Command, "/v1/lanes", &[]),
        services.get::<List<RelayedLane>>(Service::Command, "/v1/relay", &[]),
        services.get::<Page<LaneProgress>>(Service::Query, "/v1/projections", &[]),
    )?;
    let mut by_view: BTreeMap<String, Vec<&LaneProgress>> = BTreeMap::new();
    for lane in &progress.items {
        by_view.entry(lane.view()).or_default().push(lane);
    }
    let lane = |head: &LaneHead| Lane {
        number: head.lane,
        head: head.position,
        recorded_at: head.recorded_at,
        relayed: relayed.items.iter().find(|relayed| relayed.lane == head.lane).cloned(),
        views: by_view
            .values()
            .map(|lanes| {
                lanes.iter().find(|lane| lane.lane == head.lane).map(|lane| (*lane).clone())
            })
            .collect(),
    };
    frame::page(&PipelinePage {
        t: reader::texts(),
        frame: Frame::live(Section::Pipeline, &progress.position),
        events: Units(heads.items.iter().map(|head| head.position).sum()),
        newest: heads.items.iter().filter_map(|head| head.recorded_at).max(),
        relay: Relay::of(&relayed.items),
        lanes: heads.items.iter().map(lane).collect(),
        views: by_view.into_iter().map(|(name, lanes)| View::of(name, &lanes)).collect(),
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    /// The position below the newest event of the page.
    before: Option<i64>,
}

#[derive(Template)]
#[template(path = "lane.html")]
struct LanePage {
    t: &'static Texts,
    frame: Frame,
    lane: u16,
    head: i64,
    events: Vec<Event>,
    older: Option<String>,
    newest: Option<String>,
}

pub(crate) async fn lane(
    services: Services,
    Path(lane): Path<u16>,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let heads: List<LaneHead> = services.get(Service::Command, "/v1/lanes", &[]).await?;
    let head = heads.items.iter().find(|head| head.lane == lane).ok_or(Failure::NotFound)?.position;
    let before = asked.before.unwrap_or(head + 1).clamp(1, head + 1);
    let after = (before - 1 - EVENTS).max(0);
    let (after_text, limit) = (after.to_string(), (before - 1 - after).max(1).to_string());
    let parameters = [("after", after_text.as_str()), ("limit", &limit)];
    let path = format!("/v1/lanes/{lane}/events");
    let mut events: Vec<Event> = services.lines(Service::Command, &path, &parameters).await?;
    events.reverse();
    let page = format!("/pipeline/{lane}");
    frame::page(&LanePage {
        t: reader::texts(),
        frame: Frame::live(Section::Pipeline, &format!("{lane}:{head}")),
        older: (after > 0).then(|| link(&page, &[("before", &(after + 1).to_string())])),
        newest: (before <= head).then_some(page),
        lane,
        head,
        events,
    })
}
