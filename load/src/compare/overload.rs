//! Twice as much as can be done: what is done must not become less, and the rest must hear so at
//! once.

use super::bench::{Bench, Side};
use super::writes::CLIENTS;
use crate::drive::Load;
use crate::drive::recorder::Measured;
use crate::requests::{Ask, Requests};
use crate::table::{Budget, Row};
use crate::world::stockbook::Stockbook;

/// Clients that offer too much.
const CROWD: usize = 512;

/// The queue that they meet, small enough to be full.
const QUEUE: &str = "128";

/// Enough of everything.
const PLENTY: i64 = 1_000_000_000;

pub(super) async fn measure(bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let ours = Stockbook::start(bench.world, &[("QUEUE_COMMANDS_MAX", QUEUE)]).await?;
    ours.fill(bench.world.args.items, &[], PLENTY).await?;
    let requests = Requests::new(Ask::Receive, bench.uniform());
    let side = Side { name: "ours, queue of 128", at: ours.command()?, requests };
    let peak_load = bench.closed(CLIENTS);
    let side = [side];
    let [peak] = bench.alternate("receive", peak_load, &side).await?;
    let peak = peak.rate();
    let crowd = Load::open(CROWD, 2.0 * peak, peak_load.warm_up, peak_load.duration);
    let [crowded] = bench.alternate("receive at twice the peak", crowd, &side).await?;
    let rounds = crowded.rounds();
    let refused: u64 = rounds.iter().map(|round| round.count(503..504)).sum();
    let silent: u64 = rounds.iter().map(Measured::refused_without_retry_after).sum();
    let slowest = rounds.iter().map(|round| round.refusal_latency(0.99)).fold(0.0, f64::max);
    let refusals = Row::new("overload at 2 ×: refusals, p99 (ms)", slowest, Budget::Below(100.0));
    bench.report.table.rows.extend([
        Row::beside(
            "overload at 2 ×: goodput (commands/s), beside the peak",
            crowded.rate(),
            peak,
            None,
            Budget::Times(0.9),
        ),
        Row::new("overload at 2 ×: 503 without Retry-After", silent as f64, Budget::Below(1.0)),
        // Without a refusal, it was no overload.
        if refused == 0 { refusals.short() } else { refusals },
    ]);
    ours.stop().await
}
