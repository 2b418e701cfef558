//! `/items`: every item with its figures, or every stock that a filter finds.

use std::collections::HashMap;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use futures::StreamExt;
use futures::stream;
use serde::Deserialize;
use serde_json::json;

use super::{all_locations, link};
use crate::answers::{Amounts, Availability, Item, Level, Location, Page};
use crate::frame::{self, Frame, Section};
use crate::reader;
use crate::services::{Command, Failure, Service, Services, known};
use crate::shown::Moment;
use crate::texts::Texts;

const ROWS: &str = "50";

/// Names that are read at a time.
const NAMES_AT_ONCE: usize = 16;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    q: String,
    location: String,
    state: String,
    below: String,
    cursor: String,
}

impl Asked {
    fn is_filtered(&self) -> bool {
        [&self.q, &self.location, &self.state, &self.below].iter().any(|value| !value.is_empty())
    }

    fn link(&self, cursor: &str) -> String {
        let Self { q, location, state, below, .. } = self;
        let parameters = [("q", q), ("location", location), ("state", state), ("below", below)]
            .map(|(n, v)| (n, v.as_str()));
        link("/items", &[&parameters[..], &[("cursor", cursor)]].concat())
    }
}

#[derive(Debug)]
struct Row {
    sku: String,
    name: String,
    retired: bool,
    location: String,
    amounts: Amounts,
    updated_at: Option<Moment>,
}

#[derive(Template)]
#[template(path = "items.html")]
struct ItemsPage {
    t: &'static Texts,
    frame: Frame,
    asked: Asked,
    locations: Vec<Location>,
    rows: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

pub(crate) async fn show(
    services: Services,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let list = async {
        if asked.is_filtered() {
            stocks(&services, &asked).await
        } else {
            items(&services, &asked).await
        }
    };
    let (locations, list) = tokio::try_join!(all_locations(&services), list)?;
    let Page { items: rows, next_cursor, position } = list;
    frame::page(&ItemsPage {
        t: reader::texts(),
        frame: Frame::live(Section::Items, &position),
        first: (!asked.cursor.is_empty()).then(|| asked.link("")),
        next: next_cursor.map(|cursor| asked.link(&cursor)),
        asked,
        locations,
        rows,
    })
}

/// Items by sku, each with its totals.
async fn items(services: &Services, asked: &Asked) -> Result<Page<Row>, Failure> {
    let parameters = [("limit", ROWS), ("cursor", &asked.cursor)];
    let Page { items, next_cursor, position } =
        services.get::<Page<Item>>(Service::Query, "/v1/items", &parameters).await?;
    if items.is_empty() {
        return Ok(Page { items: Vec::new(), next_cursor, position });
    }
    let pairs: Vec<_> = items.iter().map(|item| json!({"sku": item.sku})).collect();
    let question = Command {
        method: reqwest::Method::POST,
        path: "/v1/availability".to_owned(),
        body: &json!({"pairs": pairs}),
        key: None,
        validate_only: false,
    };
    let totals: Availability = services.send(Service::Query, question).await?;
    let row = |(item, total): (Item, crate::answers::Available)| Row {
        sku: item.sku,
        name: item.name,
        retired: item.retired,
        location: String::new(),
        amounts: total.amounts(),
        updated_at: total.updated_at,
    };
    let items = items.into_iter().zip(totals.items).map(row).collect();
    Ok(Page { items, next_cursor, position })
}

/// Stocks that the filters find.
async fn stocks(services: &Services, asked: &Asked) -> Result<Page<Row>, Failure> {
    let parameters = [
        ("limit", ROWS),
        ("cursor", &asked.cursor),
        ("sku_prefix", &asked.q),
        ("location", &asked.location),
        ("available", if asked.state == "out" { "0" } else { "" }),
        ("low", if asked.state == "low" { "true" } else { "" }),
        ("available_below", &asked.below),
    ];
    let Page { items, next_cursor, position } =
        services.get::<Page<Level>>(Service::Query, "/v1/stock", &parameters).await?;
    let named = names(services, &items).await?;
    let row = |level: Level| {
        let item = named.get(&level.sku);
        Row {
            name: item.map_or_else(|| level.sku.clone(), |item| item.name.clone()),
            retired: item.is_some_and(|item| item.retired),
            sku: level.sku,
            location: level.location,
            amounts: level.amounts,
            updated_at: level.updated_at,
        }
    };
    Ok(Page { items: items.into_iter().map(row).collect(), next_cursor, position })
}

/// The items of these stocks. The list of stocks has no names.
async fn names(services: &Services, levels: &[Level]) -> Result<HashMap<String, Item>, Failure> {
    let mut skus: Vec<String> = levels.iter().map(|level| level.sku.clone()).collect();
    skus.dedup();
    let read = stream::iter(skus).map(|sku| async move {
        known(services.get::<Item>(Service::Query, &format!("/v1/items/{sku}"), &[]).await)
    });
    let mut read = read.buffer_unordered(NAMES_AT_ONCE);
    let mut found = HashMap::new();
    while let Some(item) = read.next().await {
        if let Some(item) = item? {
            found.insert(item.sku.clone(), item);
        }
    }
    Ok(found)
}
