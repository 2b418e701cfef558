//! Commands: over all items, on one item, against a peer, from one client to many, and with many
//! lines at once.

use anyhow::ensure;

use super::bench::{Bench, CLIENTS, Side};
use crate::drive::drive;
use crate::environment::ITEMS;
use crate::environment::baseline::Baseline;
use crate::limits;
use crate::report::{Budget, CLIENTS_SCALED, QUANTILES, Row, latency_row};
use crate::requests::{Ask, BATCH, Requests, Sku};

/// Units that are left of the scarce item, fewer than are asked for.
const SCARCE: i64 = 1_000;

/// Few clients send batches, because batches come from jobs and not from people.
const BATCH_CLIENTS: usize = 8;

/// Events of one transaction in the limits of orders and of batches.
const LARGE: usize = 1_000;
const LARGEST: usize = 10_000;

/// Against the update-service. The limit is appending the same events without deciding anything,
/// as many in a transaction as there are clients.
pub(super) async fn single(
    bench: &mut Bench<'_>,
    what: &str,
    requests: Requests,
    times: f64,
) -> anyhow::Result<()> {
    let duration = bench.effort.duration;
    let limit = limits::stored_events(bench.environment, CLIENTS, duration).await?;
    let sides = bench.both(&requests);
    let [ours, update] = &bench.alternate(what, bench.closed(CLIENTS), &sides).await?;
    let name = format!("{what}, uniform (commands/s)");
    bench.rate_row(&name, [ours, update], limit, Budget::Times(times));
    bench.latency_row(&format!("{what}, uniform, p99 (ms)"), 0.99, [ours, update], None);
    Ok(())
}

/// One item only: against ours over all items, and against the hot row of the update-service. And
/// whether scarce stock is sold to the last unit and no further.
pub(super) async fn one_sku(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let [ours, update] = bench.both(&Requests::new(Ask::Receive, 7..8));
    let requests = bench.requests(Ask::Receive);
    let uniform = Side { name: "ours, uniform", requests, ..ours.clone() };
    let load = bench.closed(CLIENTS);
    let sides = [ours, update, uniform];
    let [ours, update, uniform] = &bench.alternate("receive, one sku", load, &sides).await?;
    let oversold = oversold(bench).await?;
    let name = "receive, one sku (commands/s), against all items";
    bench.rate_row(name, [ours, uniform], None, Budget::Times(0.8));
    let name = "receive, one sku (commands/s), against its hot row";
    bench.rate_row(name, [ours, update], None, Budget::Times(10.0));
    bench.row("issue, one scarce sku: units oversold", oversold, Budget::Below(1.0));
    Ok(())
}

/// Lets many clients take the last units of an item, and counts the units sold beyond those.
async fn oversold(bench: &mut Bench<'_>) -> anyhow::Result<f64> {
    let scarce = ITEMS - 1;
    let sku = Sku(scarce).to_string();
    let before = bench.stockbook.on_hand(&sku).await?;
    bench.stockbook.issue(&sku, before - SCARCE).await?;

    let requests = Requests::new(Ask::Issue, scarce..ITEMS);
    let load = bench.closed(CLIENTS);
    let measured = drive(bench.stockbook.address, &load, requests.renderers()).await?;
    let sold = i64::try_from(measured.answers.done_in_all)?;
    let left = bench.stockbook.on_hand(&sku).await?;
    ensure!(sold + left == SCARCE, "of {SCARCE} units {sold} were sold and {left} are left");
    bench.stockbook.receive(&[sku], before - left).await?;
    Ok((sold - SCARCE).max(0) as f64)
}

pub(super) async fn peer(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let database = bench.environment.database("cqrs_es").await?;
    let peer = Baseline::start(bench.environment, "cqrs-es-service", database).await?;
    let [ours, _] = bench.both(&bench.requests(Ask::Receive));
    let theirs = Side { name: "cqrs-es", address: peer.address, ..ours.clone() };
    let load = bench.closed(CLIENTS);
    let [ours, theirs] = &bench.alternate("receive", load, &[ours, theirs]).await?;
    peer.stop().await?;
    let name = "receive, uniform (commands/s), against cqrs-es";
    bench.rate_row(name, [ours, theirs], None, Budget::Times(6.0));
    Ok(())
}

/// Throughput and latency of both sides from one client to many.
pub(super) async fn scaling(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let sides = bench.both(&bench.requests(Ask::Receive));
    for clients in CLIENTS_SCALED {
        let [ours, update] = &bench.alternate("receive", bench.closed(clients), &sides).await?;
        let name = format!("receive at {clients} clients (commands/s)");
        bench.rate_row(&name, [ours, update], None, Budget::Times(1.0));
        for (name, quantile) in QUANTILES {
            bench.latency_row(&latency_row(clients, name), quantile, [ours, update], None);
        }
    }
    Ok(())
}

/// Real orders as atomic commands.
pub(super) async fn orders(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let duration = bench.effort.duration;
    let events = limits::stored_events(bench.environment, LARGE, duration).await?;
    let orders = bench.orders.clone();
    let lines = orders.lines;
    let sides = bench.both(&Requests { orders, ..bench.requests(Ask::Order) });
    let [ours, update] = &bench.alternate("order", bench.closed(CLIENTS), &sides).await?;
    let name = format!("real orders, {lines:.0} lines on average, atomic (orders/s)");
    bench.rate_row(&name, [ours, update], events / lines, Budget::Times(3.0));
    bench.latency_row("real orders, p99 (ms)", 0.99, [ours, update], None);
    Ok(())
}

/// Batches of commands against the same commands sent one by one.
pub(super) async fn batches(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let limit = limits::stored_events(bench.environment, LARGEST, bench.effort.duration).await?;
    let [batch, _] = bench.both(&bench.requests(Ask::Batch));
    let [single, _] = bench.both(&bench.requests(Ask::Receive));
    let load = bench.closed(BATCH_CLIENTS);
    let [batches] = bench.alternate("batch of 100", load, &[batch]).await?;
    let [singles] = bench.alternate("receive", bench.closed(CLIENTS), &[single]).await?;
    bench.report.add(Row::compared(
        "batches of 100 (commands/s), against single ones",
        batches.rate() * BATCH as f64,
        singles.rate(),
        limit,
        Budget::Times(1.0),
    ));
    Ok(())
}
