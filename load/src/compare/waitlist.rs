//! What a queue costs the command that serves it.

use std::time::Duration;

use anyhow::ensure;

use super::bench::{Bench, CLIENTS, Series, Side};
use crate::drive::Load;
use crate::environment::ITEMS;
use crate::report::{Budget, Row};
use crate::requests::{Ask, Requests, Sku};

/// Who waits at least while receipts are measured.
const WAITING: i64 = 10_000;

/// A round may serve so many a second.
const SERVED: i64 = 1_500;

/// Rounds of making the queue longer, before that counts as impossible.
const FILLED_MAX: u32 = 60;

/// One client receives single units of two items. Nobody waits for the one; for the other each receipt serves
/// one of those who wait.
pub(super) async fn receive(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (queued, free) = (ITEMS, ITEMS + 1);
    let skus = [queued, free].map(|nth| Sku(nth).to_string());
    bench.stockbook.fill(&skus, 1).await?;
    let side = |name, ask, nth| {
        let requests = Requests::new(ask, nth..nth + 1);
        Side { name, address: bench.stockbook.address, requests }
    };
    let wait = side("wait", Ask::Wait, queued);
    let sides = [
        side("one of many served", Ask::Receive, queued),
        side("nobody waits", Ask::Receive, free),
    ];
    let alone = bench.closed(1);
    let crowd = Load::closed(CLIENTS, Duration::ZERO, Duration::from_secs(1));
    let round = i64::try_from((alone.warm_up + alone.duration).as_secs())? + 1;
    let [mut serving, mut usual] = [Series::default(), Series::default()];
    for nth in 0..bench.effort.rounds {
        let mut filled = 0;
        while bench.stockbook.waiting(&skus[0]).await? < WAITING + SERVED * round {
            filled += 1;
            ensure!(filled <= FILLED_MAX, "the queue does not get long enough");
            bench.turn("wait", &crowd, &wait).await?;
        }
        for turn in 0..2 {
            let (side, series) = match (nth + turn) % 2 {
                0 => (&sides[0], &mut serving),
                _ => (&sides[1], &mut usual),
            };
            series.0.push(bench.turn("receive, waitlist", &alone, side).await?);
        }
        let left = bench.stockbook.waiting(&skus[0]).await?;
        ensure!(left >= WAITING, "only {left} waited at the end of a round");
    }
    for (quantile, name) in [(0.5, "p50"), (0.99, "p99")] {
        let [ours, other] = [&serving, &usual].map(|series| series.latency(quantile));
        let row = format!("receive that serves one of {WAITING} waiting, {name} (ms)");
        bench.report.add(Row::compared(&row, ours, other, None, Budget::AtMostTimes(2.0)));
    }
    let p99 = serving.latency(0.99);
    let row = format!("receive that serves one of {WAITING} waiting, p99 (ms), bound");
    bench.row(&row, p99, Budget::Below(5.0));
    Ok(())
}
