//! What reversing a window would do to each stock.

use std::collections::{BTreeMap, HashSet};

use futures::future::try_join_all;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Progress, Window};
use crate::answers::{Availability, Available, Movement, Page};
use crate::services::{Command, Failure, Service, Services};
use crate::shown::{Moment, Signed, Units};

/// Events that are listed.
const LISTED_MAX: usize = 50;

/// Movements that are read, in pages of this size.
const MOVEMENTS_MAX: usize = 2_000;
const PAGE: &str = "200";

/// Commands of one batch.
const BATCH: usize = 1_000;

/// The events that a reversal undoes.
const UNDONE: [&str; 6] =
    ["StockReceived", "StockIssued", "StockAdjusted", "StockSet", "StockMovedOut", "StockMovedIn"];

/// Every stock before and after.
#[derive(Debug)]
pub(super) struct Preview {
    pub(super) rows: Vec<Row>,
    /// The newest of the events that would be reversed.
    pub(super) events: Vec<Movement>,
    /// How many there are.
    pub(super) count: usize,
    /// Whether there are more events than were read, so that rows may be missing.
    pub(super) is_cut: bool,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) sku: String,
    pub(super) location: String,
    pub(super) events: usize,
    pub(super) on_hand: Units,
    pub(super) on_hand_after: Units,
    pub(super) change: Signed,
    pub(super) available: Units,
    pub(super) available_after: Units,
}

/// What the opposites of a stock's events come to.
#[derive(Debug, Default)]
struct Opposites {
    events: usize,
    on_hand: i64,
    available: i64,
}

impl Opposites {
    fn add(&mut self, one: &Movement) {
        self.events += 1;
        self.on_hand -= one.delta.on_hand.0;
        self.available -= one.delta.available.0;
    }
}

/// Adds up the opposites of all events that would be reversed.
pub(super) async fn read(
    services: &Services,
    window: &Window,
    would: &Progress,
) -> Result<Preview, Failure> {
    let (movements, is_cut) = movements(services, window).await?;
    let refused: HashSet<&str> =
        would.refusals.iter().map(|refusal| refusal.correlation_id.as_str()).collect();
    let chosen: Vec<Movement> = at_location(movements, window.location.trim())
        .into_iter()
        .filter(|one| UNDONE.contains(&one.kind.as_str()))
        .filter(|one| !refused.contains(one.correlation_id.as_str()))
        .collect();
    let reversed_before = reversed_before(services, &chosen).await?;
    let mut events = chosen;
    events.retain(|one| !reversed_before.contains(&one.event));
    let mut changes: BTreeMap<(String, String), Opposites> = BTreeMap::new();
    for one in &events {
        changes.entry((one.sku.clone(), one.location.clone())).or_default().add(one);
    }
    let (rows, count) = (rows(services, changes).await?, events.len());
    events.truncate(LISTED_MAX);
    Ok(Preview { rows, events, count, is_cut })
}

/// What happened in the window, newest first.
async fn movements(services: &Services, window: &Window) -> Result<(Vec<Movement>, bool), Failure> {
    let (from, to) = (Moment::exactly(&window.from), Moment::exactly(&window.to));
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let parameters = [
            ("from", from.as_str()),
            ("to", &to),
            ("sku", window.sku.trim()),
            ("actor", window.actor.trim()),
            ("cursor", &cursor),
            ("limit", PAGE),
        ];
        let page: Page<Movement> =
            services.get(Service::Query, "/v1/movements", &parameters).await?;
        found.extend(page.items);
        match page.next_cursor {
            None => return Ok((found, false)),
            Some(_) if found.len() >= MOVEMENTS_MAX => return Ok((found, true)),
            Some(next) => cursor = next,
        }
    }
}

/// Those at a location, each half of a move with its other half; all of them without one.
fn at_location(movements: Vec<Movement>, location: &str) -> Vec<Movement> {
    if location.is_empty() {
        return movements;
    }
    let neighbour = |one: &Movement| {
        let (lane, position) = one.event.split_once('-')?;
        let position: i64 = position.parse().ok()?;
        match one.kind.as_str() {
            "StockMovedOut" => Some(format!("{lane}-{}", position + 1)),
            "StockMovedIn" => Some(format!("{lane}-{}", position - 1)),
            _ => None,
        }
    };
    let here = |one: &&Movement| one.location == location;
    let mut wanted: HashSet<String> = movements.iter().filter(here).filter_map(neighbour).collect();
    wanted.extend(movements.iter().filter(here).map(|one| one.event.clone()));
    movements.into_iter().filter(|one| wanted.contains(&one.event)).collect()
}

#[derive(Debug, Deserialize)]
struct Batch {
    results: Vec<Decided>,
}

#[derive(Debug, Deserialize)]
struct Decided {
    body: Value,
}

/// The events that cannot be reversed because they were.
async fn reversed_before(
    services: &Services,
    movements: &[Movement],
) -> Result<HashSet<String>, Failure> {
    let asks = movements.chunks(BATCH).map(|chunk| async move {
        let reverse = |one: &Movement| json!({"type": "reverse", "event": one.event});
        let commands: Vec<Value> = chunk.iter().map(reverse).collect();
        let command = Command {
            method: Method::POST,
            path: "/v1/batches".to_owned(),
            body: &json!({"mode": "independent", "commands": commands}),
            key: None,
            validate_only: true,
        };
        let decided: Batch = services.send(Service::Command, command).await?;
        let was_reversed = |(one, decided): (&Movement, &Decided)| {
            let is_it = decided.body["type"] == "/problems/already_reversed";
            is_it.then(|| one.event.clone())
        };
        Ok(chunk.iter().zip(&decided.results).filter_map(was_reversed).collect::<Vec<_>>())
    });
    Ok(try_join_all(asks).await?.into_iter().flatten().collect())
}

/// What there is now, and what would be.
async fn rows(
    services: &Services,
    changes: BTreeMap<(String, String), Opposites>,
) -> Result<Vec<Row>, Failure> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let pairs: Vec<Value> =
        changes.keys().map(|(sku, location)| json!({"sku": sku, "location": location})).collect();
    let question = Command {
        method: Method::POST,
        path: "/v1/availability".to_owned(),
        body: &json!({"pairs": pairs}),
        key: None,
        validate_only: false,
    };
    let now: Availability = services.send(Service::Query, question).await?;
    let row = |(((sku, location), opposites), now): ((_, Opposites), Available)| Row {
        sku,
        location,
        events: opposites.events,
        on_hand: now.on_hand,
        on_hand_after: Units(now.on_hand.0 + opposites.on_hand),
        change: Signed(opposites.on_hand),
        available: now.available,
        available_after: Units(now.available.0 + opposites.available),
    };
    Ok(changes.into_iter().zip(now.items).map(row).collect())
}
