//! Single commands at 64 clients: over all items, with keys, on one item, and beside a peer.

use anyhow::ensure;

use super::bench::{Bench, Side};
use crate::drive::connection::Connection;
use crate::drive::drive;
use crate::keys::{Keys, sku};
use crate::limits::insert;
use crate::requests::{Ask, Requests};
use crate::table::{Budget, Row};
use crate::world::rivals::Rival;
use crate::world::stockbook;

/// Clients of every comparison that does not vary them.
pub(super) const CLIENTS: usize = 64;

/// What is left of the scarce item, less than is asked for.
const SCARCE: i64 = 1_000;

pub(super) async fn receive(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let requests = Requests::new(Ask::Receive, bench.uniform());
    single(bench, "receive", &requests, 3.0).await
}

pub(super) async fn keyed(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let requests = Requests::new(Ask::Receive, bench.uniform()).keyed();
    single(bench, "receive, a key each", &requests, 2.5).await
}

pub(super) async fn reserve(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let requests = Requests::new(Ask::Reserve, bench.uniform());
    single(bench, "reserve", &requests, 3.0).await
}

/// Rate and p99 beside the update-service, and the rate beside appending the same events without
/// deciding anything, as many in a transaction as there are clients.
async fn single(
    bench: &mut Bench<'_>,
    what: &str,
    requests: &Requests,
    times: f64,
) -> anyhow::Result<()> {
    let limit = insert::events_a_second(bench.world, CLIENTS, bench.effort.duration).await?;
    let sides = bench.both(requests)?;
    let load = bench.closed(CLIENTS);
    let [ours, update] = bench.alternate(what, load, &sides).await?;
    bench.report.table.rows.extend([
        Row::beside(
            &format!("{what}, uniform (commands/s)"),
            ours.rate(),
            update.rate(),
            limit,
            Budget::Times(times),
        ),
        Row::beside(
            &format!("{what}, uniform, p99 (ms)"),
            ours.latency(0.99),
            update.latency(0.99),
            None,
            Budget::AtMostTimes(1.0),
        ),
    ]);
    Ok(())
}

/// One item only: beside ours over all items, beside the update-service on its hot row, and
/// whether scarce stock is sold to the last unit and no further.
pub(super) async fn one_sku(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let hot = Requests::new(Ask::Receive, Keys::One(7));
    let [ours, update] = bench.both(&hot)?;
    let uniform = Requests::new(Ask::Receive, bench.uniform());
    let spread = Side { name: "ours, uniform", at: ours.at, requests: uniform };
    let load = bench.closed(CLIENTS);
    let [ours, update, spread] =
        bench.alternate("receive, one sku", load, &[ours, update, spread]).await?;
    let oversold = oversold(bench).await?;
    bench.report.table.rows.extend([
        Row::beside(
            "receive, one sku (commands/s), beside ours uniform",
            ours.rate(),
            spread.rate(),
            None,
            Budget::Times(0.8),
        ),
        Row::beside(
            "receive, one sku (commands/s), beside its hot row",
            ours.rate(),
            update.rate(),
            None,
            Budget::Times(10.0),
        ),
        Row::new("issue, one scarce sku: units oversold", oversold, Budget::Below(1.0)),
    ]);
    Ok(())
}

/// Has many clients take the last units of an item, and counts those sold beyond it.
async fn oversold(bench: &mut Bench<'_>) -> anyhow::Result<f64> {
    let scarce = bench.world.args.items - 1;
    let name = sku(scarce);
    let at = bench.ours.command()?;
    let there = bench.ours.on_hand(&name).await?;
    let mut wire = Connection::open(at).await?;
    stockbook::issue(&mut wire, &name, there - SCARCE).await?;

    let requests = Requests::new(Ask::Issue, Keys::One(scarce));
    let measured = drive(at, &bench.closed(CLIENTS), requests.renderers()).await?;
    let sold = i64::try_from(measured.done_in_all())?;
    let left = bench.ours.on_hand(&name).await?;
    ensure!(sold + left == SCARCE, "of {SCARCE} units {sold} were sold and {left} are left");
    stockbook::receive(&mut wire, [name.as_str()].into_iter(), there - left).await?;
    Ok((sold - SCARCE).max(0) as f64)
}

/// The peer, asked the same.
pub(super) async fn peer(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let rival = Rival::cqrs_es(bench.world).await?;
    let requests = Requests::new(Ask::Receive, bench.uniform());
    let [ours, _] = bench.both(&requests)?;
    let theirs = Side { name: "cqrs-es", at: rival.address, requests };
    let load = bench.closed(CLIENTS);
    let [ours, theirs] = bench.alternate("receive", load, &[ours, theirs]).await?;
    rival.stop().await?;
    bench.report.table.rows.push(Row::beside(
        "receive, uniform (commands/s), beside cqrs-es",
        ours.rate(),
        theirs.rate(),
        None,
        Budget::Times(6.0),
    ));
    Ok(())
}
