//! What was sold out, short or low at any moment: lists of the past with filters on figures.

use std::collections::BTreeSet;
use std::sync::Arc;

use integration_tests::oracle::{Item, LAST};
use integration_tests::{Size, Stockbook, World, lines_at_main, seeded};
use rand::RngExt;
use rand::prelude::IndexedRandom;
use serde_json::{Value, json};
use shared_events::time::Timestamp;

use super::{STEPS, items, trade};

trials! {
    what_was_sold_out_or_low_at_any_moment_is_a_list,
    a_page_of_the_past_takes_a_bounded_amount_of_work,
}

/// A filter, and the pairs that it is for: by what was available and the reorder point.
type Filter = (&'static str, fn(i64, i64) -> bool);

const FILTERS: [Filter; 7] = [
    ("", |_, _| true),
    ("&available=0", |available, _| available == 0),
    ("&available=7", |available, _| available == 7),
    ("&available_below=1", |available, _| available < 1),
    ("&available_below=20", |available, _| available < 20),
    ("&low=true", |available, point| point > 0 && available <= point),
    ("&low=true&available_below=3", |available, point| available < 3.min(point + 1) && point > 0),
];

/// The pairs that had a history, with what was available, that a filter is for.
fn expected(
    items: &[Item],
    known_at: Option<Timestamp>,
    as_of: Option<Timestamp>,
    filter: fn(i64, i64) -> bool,
) -> BTreeSet<(String, String, i64)> {
    let mut pairs = BTreeSet::new();
    for item in items {
        let known = known_at.map_or(LAST, |moment| item.known_at(moment));
        let point = item.reorder_point(known, as_of);
        let stock = item.stock(known, as_of).unwrap_or_default();
        for level in stock["locations"].as_array().into_iter().flatten() {
            let row = row(&item.sku, level);
            if filter(row.2, point) {
                pairs.insert(row);
            }
        }
    }
    pairs
}

fn row(sku: &str, level: &Value) -> (String, String, i64) {
    let location = level["location"].as_str().unwrap().to_owned();
    (sku.to_owned(), location, level["available"].as_i64().unwrap())
}

async fn what_was_sold_out_or_low_at_any_moment_is_a_list(world: Arc<World>) {
    let (seed, mut random) = seeded();
    let count = Size::wanted().scaled(30, 4);
    let stockbook = Stockbook::start(&world).await;
    let skus: Vec<String> = (0..count).map(|number| format!("T{number}")).collect();
    trade::live(&stockbook, &skus, STEPS, seed).await;
    // One of them is sold and retired.
    stockbook.command().put("/v1/items/GONE", json!({"reorder_point": 9})).await;
    stockbook.receive(&[("GONE", 2)]).await;
    stockbook.command().done("/v1/issues", lines_at_main(&[("GONE", 2)])).await;
    stockbook.command().done("/v1/items/GONE/retire", json!({})).await;
    let items = items(&stockbook).await;
    let recorded: Vec<Timestamp> =
        items.iter().flat_map(|item| item.changes.iter().map(|one| one.recorded_at)).collect();
    let occurred: Vec<Timestamp> =
        items.iter().flat_map(|item| item.changes.iter().map(|one| one.occurred_at)).collect();
    let last = recorded.iter().max().copied();
    let mut pasts = vec![(last, None), (last, last)];
    for _ in 0..8 {
        let (known, happened) = (recorded.choose(&mut random), occurred.choose(&mut random));
        pasts.extend([(known.copied(), None), (None, happened.copied())]);
        pasts.push((known.copied(), happened.copied()));
    }
    let query = stockbook.query();
    let mut listed = 0;
    for (known_at, as_of) in pasts {
        for (filter, belongs) in FILTERS {
            let limit = [1, 7, 200][random.random_range(0..3)];
            let known = known_at.map_or(String::new(), |moment| format!("&known_at={moment}"));
            let past = as_of.map_or(known.clone(), |moment| format!("{known}&as_of={moment}"));
            let path = format!("/v1/stock?limit={limit}{past}{filter}");
            let rows = query.rows(&path).await;
            let found: BTreeSet<_> =
                rows.iter().map(|one| row(one["sku"].as_str().unwrap(), one)).collect();
            let expected = expected(&items, known_at, as_of, belongs);
            assert_eq!(
                (found, rows.len()),
                (expected.clone(), expected.len()),
                "{path}, seed {seed}"
            );
            listed += rows.len();
        }
    }
    println!("{count} histories, {listed} rows of the past, seed {seed}");
}

/// Pairs that had no history then, before those that had one.
const NEWER: usize = 150;

async fn a_page_of_the_past_takes_a_bounded_amount_of_work(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    stockbook.stock(&[("Z", 3)]).await;
    let then = stockbook.command().json("/v1/lanes").await;
    let recorded = then["items"].as_array().unwrap().iter();
    let then = recorded.filter_map(|lane| lane["recorded_at"].as_str()).max().unwrap().to_owned();
    let newer: Vec<String> = (0..NEWER).map(|number| format!("N{number}")).collect();
    for sku in &newer {
        stockbook.command().put(&format!("/v1/items/{sku}"), json!({})).await.expect_status(201);
    }
    let lines: Vec<(&str, i64)> = newer.iter().map(|sku| (sku.as_str(), 3)).collect();
    stockbook.receive(&lines).await;
    stockbook.read_at("/v1/items", &stockbook.heads().await).await;
    let query = stockbook.query();
    for filter in ["", "&available=3", "&available_below=4"] {
        let path = format!("/v1/stock?known_at={then}&limit=1{filter}");
        // 20 pairs for each of the rows that one page may have, and one more to see whether it goes on.
        let first = query.json(&path).await;
        assert_eq!(first["items"], json!([]), "{first}");
        assert!(first["next_cursor"].is_string(), "{first}");
        let (mut pages, mut page) = (1, first);
        while let Some(cursor) = page["next_cursor"].as_str() {
            page = query.json(&format!("{path}&cursor={cursor}")).await;
            pages += 1;
        }
        assert_eq!(pages, NEWER / 40 + 1, "{filter}");
        assert_eq!(page["items"][0]["sku"], "Z", "{page}");
        assert_eq!(query.rows(&path).await.len(), 1);
    }

    // As if one pair had as many movements as may be added up for a page.
    let many = "update stock_v1.stock_levels set version = 200000 where sku = 'N0'";
    sqlx::query(many).execute(&mut stockbook.read_superuser().await).await.unwrap();
    let path = "/v1/stock?as_of=2100-01-01T00:00:00Z&limit=200";
    let first = query.json(path).await;
    assert_eq!(first["items"].as_array().map(Vec::len), Some(1), "{first}");
    assert_eq!(query.rows(path).await.len(), NEWER + 1);
}
