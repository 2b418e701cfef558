//! Reads every figure from the query-service, not older than what was answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use shared_events::lane::{PositionToken, Version};
use shared_events::values::Sku;

use crate::replay::answer::Problem;
use crate::replay::command::LOCATION;
use crate::replay::ledger::{Found, Level};
use crate::replay::progress::Progress;
use crate::replay::service::Service;

/// How long the view may stand still before we give up.
const STILL_MAX: Duration = Duration::from_secs(120);

/// The pause before a view that is behind is asked again; asking waits by itself.
const PAUSE: Duration = Duration::from_millis(200);

/// One page of `GET /v1/stock`; other members are not needed here.
#[derive(Deserialize)]
struct Page {
    items: Vec<Row>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Row {
    sku: Sku,
    on_hand: i64,
    reserved: i64,
    allocated: i64,
    available: i64,
    version: Version,
}

/// The stock of all items at the trade's location, as of `reached` or later.
pub(super) async fn stock(
    query: &Service,
    reached: &PositionToken,
    progress: &Progress,
) -> anyhow::Result<BTreeMap<Sku, Found>> {
    let mut found = BTreeMap::new();
    let mut cursor = None;
    loop {
        let page = page(query, reached, cursor.as_deref(), progress).await?;
        let before = found.len();
        found.extend(page.items.into_iter().map(Row::into_found));
        progress.advance((found.len() - before) as u64);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
        // A cursor that leads to nothing new would never end.
        anyhow::ensure!(found.len() > before, "GET /v1/stock pages in a circle");
    }
}

async fn page(
    query: &Service,
    reached: &PositionToken,
    cursor: Option<&str>,
    progress: &Progress,
) -> anyhow::Result<Page> {
    let token = reached.to_string();
    let mut parameters = vec![("location", LOCATION), ("limit", "200")];
    if !reached.is_empty() {
        parameters.extend([("min_position", token.as_str()), ("wait_ms", "30000")]);
    }
    parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
    let (mut at, mut moved) = (None, Instant::now());
    loop {
        let reply = query.get("/v1/stock", &parameters, progress).await?;
        if reply.status == 200 {
            return serde_json::from_slice(&reply.body).context("GET /v1/stock is not a page");
        }
        let problem = Problem::read(reply.status, &reply.body);
        if !problem.is_not_yet_applied() {
            bail!("GET /v1/stock: {problem}");
        }
        let now = problem.position();
        if now != at {
            (at, moved) = (now, Instant::now());
        }
        if moved.elapsed() > STILL_MAX {
            bail!(
                "the view stands still for {} s and is not at {token}: {problem}",
                STILL_MAX.as_secs()
            );
        }
        progress.waiting(&problem.to_string());
        tokio::time::sleep(PAUSE).await;
    }
}

impl Row {
    fn into_found(self) -> (Sku, Found) {
        let found = Found {
            level: Level { on_hand: self.on_hand, version: self.version },
            reserved: self.reserved,
            allocated: self.allocated,
            available: self.available,
        };
        (self.sku, found)
    }
}
