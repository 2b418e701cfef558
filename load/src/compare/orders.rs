//! Many lines at once: real orders as atomic commands, and batches of commands.

use super::bench::{Bench, Side};
use super::writes::CLIENTS;
use crate::limits::insert;
use crate::requests::{Ask, Requests};
use crate::table::{Budget, Row};

/// Commands in one batch.
const BATCH: usize = 100;

/// Clients that send batches: few, as batches come from jobs and not from people.
const BATCH_CLIENTS: usize = 8;

/// Events of one transaction in the limit beside many lines.
const LARGE: usize = 1_000;

pub(super) async fn orders(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let events = insert::events_a_second(bench.world, LARGE, bench.effort.duration).await?;
    let requests = Requests::new(Ask::Order(bench.orders.clone()), bench.uniform());
    let sides = bench.both(&requests)?;
    let load = bench.closed(CLIENTS);
    let [ours, update] = bench.alternate("order", load, &sides).await?;
    let lines = bench.orders.lines;
    bench.report.table.rows.extend([
        Row::beside(
            &format!("real orders, {lines:.0} lines on average, atomic (orders/s)"),
            ours.rate(),
            update.rate(),
            events / lines,
            Budget::Times(3.0),
        ),
        Row::beside(
            "real orders, p99 (ms)",
            ours.latency(0.99),
            update.latency(0.99),
            None,
            Budget::AtMostTimes(1.0),
        ),
    ]);
    Ok(())
}

/// Batches beside the same commands sent one by one, and beside a bare `copy` of their events.
pub(super) async fn batches(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let limit = insert::copied_events_a_second(bench.world, bench.effort.duration).await?;
    let at = bench.ours.command()?;
    let batch = Requests::new(Ask::Batch(BATCH), bench.uniform());
    let single = Requests::new(Ask::Receive, bench.uniform());
    let load = bench.closed(BATCH_CLIENTS);
    let [batches] = bench
        .alternate("batch of 100", load, &[Side { name: "ours", at, requests: batch }])
        .await?;
    let load = bench.closed(CLIENTS);
    let [singles] =
        bench.alternate("receive", load, &[Side { name: "ours", at, requests: single }]).await?;
    bench.report.table.rows.push(Row::beside(
        "batches of 100 (commands/s), beside single ones",
        batches.rate() * BATCH as f64,
        singles.rate(),
        limit,
        Budget::Times(1.0),
    ));
    Ok(())
}
