//! Appending rows as large as our events to a bare table, each transaction durable.

use std::fmt::Write as _;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::Instant;

use crate::world::World;

/// Items that the rows are about, and lanes that they spread over.
const ITEMS: i64 = 10_000;
const LANES: i64 = 16;

/// Rows in one `copy`.
const COPIED: i64 = 10_000;

/// A payload of the usual size, and a hash.
const DATA: &str = r#"{"sku":"sku-00017","location":"MAIN","quantity":1,"after":{"on_hand":1000000,"reserved":0,"allocated":0,"available":1000000}}"#;
const HASH: [u8; 32] = [7; 32];

/// Arrays of so many rows by one `insert … select unnest`, one after another on one connection.
///
/// # Errors
/// Postgres refuses.
pub async fn events_a_second(
    world: &World,
    rows: usize,
    duration: Duration,
) -> anyhow::Result<f64> {
    let mut connection = table(world).await?;
    let rows = i64::try_from(rows)?;
    let mut spent = Duration::ZERO;
    let mut next = 0;
    while spent < duration {
        let numbers = next..next + rows;
        let lanes: Vec<i16> = numbers.clone().map(lane).collect();
        let positions: Vec<i64> = numbers.clone().collect();
        let streams: Vec<String> = numbers.clone().map(stream).collect();
        let correlations: Vec<String> = numbers.clone().map(correlation).collect();
        let data = vec![DATA; lanes.len()];
        let begun = Instant::now();
        sqlx::query(include_str!("../../queries/insert_events.sql"))
            .bind(lanes)
            .bind(positions)
            .bind(streams)
            .bind(correlations)
            .bind(data)
            .bind(HASH)
            .execute(&mut connection)
            .await?;
        spent += begun.elapsed();
        next = numbers.end;
    }
    connection.close().await?;
    Ok(next as f64 / spent.as_secs_f64())
}

/// Ten thousand rows by one `copy`, one after another on one connection.
///
/// # Errors
/// Postgres refuses.
pub async fn copied_events_a_second(world: &World, duration: Duration) -> anyhow::Result<f64> {
    let mut connection = table(world).await?;
    let mut spent = Duration::ZERO;
    let mut next = 0;
    while spent < duration {
        let numbers = next..next + COPIED;
        let text = lines(numbers.clone());
        let begun = Instant::now();
        let mut copy =
            connection.copy_in_raw(include_str!("../../queries/copy_events.sql")).await?;
        copy.send(text.into_bytes()).await?;
        copy.finish().await?;
        spent += begun.elapsed();
        next = numbers.end;
    }
    connection.close().await?;
    Ok(next as f64 / spent.as_secs_f64())
}

async fn table(world: &World) -> anyhow::Result<PgConnection> {
    let database = world.database("limit").await?;
    let mut connection = PgConnection::connect(database.as_str()).await?;
    sqlx::raw_sql(include_str!("../../schema.sql")).execute(&mut connection).await?;
    Ok(connection)
}

fn lane(number: i64) -> i16 {
    i16::try_from(number % LANES).expect("there are few lanes")
}

/// Far apart from row to row, as requests over all items are.
fn stream(number: i64) -> String {
    format!("stock/sku-{:05}/MAIN", number * 7_919 % ITEMS)
}

fn correlation(number: i64) -> String {
    format!("019ab3c4-d5e6-7f80-9a1b-{number:012x}")
}

/// Rows in the text form of `copy`.
fn lines(numbers: std::ops::Range<i64>) -> String {
    let hash = format!("\\\\x{}", "07".repeat(HASH.len()));
    let mut text = String::new();
    for number in numbers {
        let (lane, stream, correlation) = (lane(number), stream(number), correlation(number));
        let now = "2026-01-01 00:00:00+00";
        let written = writeln!(
            text,
            "{lane}\t{number}\t{stream}\t{number}\tStockReceived\t1\t{now}\t{now}\t{correlation}\t\
             {DATA}\t{hash}\t{hash}"
        );
        written.expect("a String takes everything");
    }
    text
}
